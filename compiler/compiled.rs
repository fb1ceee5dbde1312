//! A compiled list.

use crate::report::Report;
use crate::text::{Line, Pages};

/// A compiled list and the report on it.
///
/// The lines stay where they were loaded or written; nothing is joined until it is asked for.
#[derive(Debug)]
pub struct Compiled {
    header: Vec<String>,
    pages: Pages,
    lines: Vec<Line>,
    report: Report,
}

impl Compiled {
    pub(crate) fn new(header: Vec<String>, pages: Pages, lines: Vec<Line>, report: Report) -> Compiled {
        Compiled { header, pages, lines, report }
    }

    /// The header of the list, the only part that depends on the stamp.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Everything below the header, without line ends.
    pub fn body(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.lines.iter().map(|&line| self.pages.text(line))
    }

    /// All lines, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = &str> + Clone {
        self.header.iter().map(String::as_str).chain(self.body())
    }

    /// A line by its place among [`lines`](Compiled::lines), for those who go through them in several turns.
    pub fn line(&self, n: usize) -> Option<&str> {
        match n.checked_sub(self.header.len()) {
            None => self.header.get(n).map(String::as_str),
            Some(n) => self.lines.get(n).map(|&line| self.pages.text(line)),
        }
    }

    /// How many lines there are, the header included.
    pub fn n_lines(&self) -> usize {
        self.header.len() + self.lines.len()
    }

    /// The size in bytes of all lines joined with LF, nothing behind the last.
    pub fn n_bytes(&self) -> usize {
        let text: usize = self.lines().map(str::len).sum();
        text + self.n_lines().saturating_sub(1)
    }

    /// The lines joined with LF, in pieces of at most `chunk_bytes` bytes, to be sent or stored one by
    /// one. A piece may end inside of a line, never inside of a character; all but the last are at most
    /// 3 bytes short.
    pub fn chunks(&self, chunk_bytes: usize) -> impl Iterator<Item = String> {
        // Below four bytes not every character would fit.
        let chunk_bytes = chunk_bytes.max(4);
        let mut lines = self.lines();
        let mut rest = lines.next();
        std::iter::from_fn(move || {
            rest?;
            let mut chunk = String::with_capacity(chunk_bytes);
            while let Some(text) = rest {
                let room = chunk_bytes - chunk.len();
                if text.len() > room {
                    let (now, later) =
                        text.split_at_checked(text.floor_char_boundary(room)).unwrap_or(("", text));
                    chunk.push_str(now);
                    rest = Some(later);
                    break;
                }
                if text.len() == room {
                    // Without room for the line end, an empty remainder brings it along next time.
                    chunk.push_str(text);
                    rest = Some("");
                    break;
                }
                chunk.push_str(text);
                rest = lines.next();
                if rest.is_some() {
                    chunk.push('\n');
                }
            }
            Some(chunk).filter(|chunk| !chunk.is_empty())
        })
    }

    /// What was done to the lines.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
