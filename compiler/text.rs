//! Where the text of a list lives, and how a line points at it.
//!
//! A list of a million rules must fit a 128 MB isolate, so a line is not a `String` but twelve bytes:
//! page, first byte, length. Loaded texts become pages as they are, without a copy; what a
//! transformation writes anew goes to pages of its own. Nothing is ever moved inside a page, so a
//! [`Line`] stays good until its page is released.

/// Bytes reserved for a page of written lines: large enough that pages are few, small enough that the
/// unused end of the last one does not matter.
const WRITTEN_PAGE_BYTES: usize = 1 << 20;

/// The most bytes one page may have: offsets are 32 bits wide, as is a wasm address.
pub(crate) const MAX_PAGE_BYTES: usize = u32::MAX as usize;

/// One line of a list: a piece of one page. Means nothing without its [`Pages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    page: u32,
    start: u32,
    len: u32,
}

impl Line {
    /// The piece of this line that begins `from` bytes in and is `len` bytes long.
    pub(crate) fn piece(self, from: usize, len: usize) -> Line {
        // Both numbers come from slicing the line's own text, so they fit its 32 bits.
        Line { start: self.start + from as u32, len: len as u32, ..self }
    }
}

/// The text of all lines.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pages: Vec<String>,
    /// The page that written lines are appended to, if there is one with room.
    open: Option<u32>,
}

impl Pages {
    /// Takes over a loaded text as a page. The caller has checked it against [`MAX_PAGE_BYTES`].
    pub(crate) fn add(&mut self, text: String) -> u32 {
        debug_assert!(text.len() <= MAX_PAGE_BYTES);
        self.pages.push(text);
        (self.pages.len() - 1) as u32
    }

    /// The whole text of a page; empty when the page was released.
    pub(crate) fn page(&self, page: u32) -> &str {
        self.pages.get(page as usize).map_or("", String::as_str)
    }

    /// The line that covers `len` bytes of `page` from `start` on.
    pub(crate) fn line(&self, page: u32, start: usize, len: usize) -> Line {
        Line { page, start: start as u32, len: len as u32 }
    }

    /// The text of a line, without its line end.
    pub(crate) fn text(&self, line: Line) -> &str {
        let start = line.start as usize;
        self.page(line.page).get(start..start + line.len as usize).unwrap_or("")
    }

    /// Writes a new line and says where it went.
    pub(crate) fn write(&mut self, text: &str) -> Line {
        let room = |pages: &[String], page: u32| {
            pages.get(page as usize).is_some_and(|page| page.capacity() - page.len() >= text.len())
        };
        let page = match self.open {
            Some(page) if room(&self.pages, page) => page,
            _ => {
                let page = self.add(String::with_capacity(WRITTEN_PAGE_BYTES.max(text.len())));
                self.open = Some(page);
                page
            }
        };
        match self.pages.get_mut(page as usize) {
            Some(written) => {
                let start = written.len();
                written.push_str(text);
                self.line(page, start, text.len())
            }
            None => self.line(page, 0, 0),
        }
    }

    /// Gives back the memory of those `candidates` that none of `lines` points into.
    ///
    /// A compressed hosts list keeps nothing of its loaded text, which is the larger half.
    pub(crate) fn release_unused(&mut self, candidates: impl Iterator<Item = u32>, lines: &[Line]) {
        let mut is_used = vec![false; self.pages.len()];
        for line in lines {
            if let Some(used) = is_used.get_mut(line.page as usize) {
                *used = true;
            }
        }
        for page in candidates.filter(|&page| is_used.get(page as usize) == Some(&false)) {
            // Without capacity there is no room in it either, so the next write opens a new page.
            if let Some(page) = self.pages.get_mut(page as usize) {
                *page = String::new();
            }
        }
    }

    /// Gives back the memory of all pages that none of `lines` points into.
    pub(crate) fn keep_only(&mut self, lines: &[Line]) {
        self.release_unused(0..self.pages.len() as u32, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_later_writes_and_releases() {
        let mut pages = Pages::default();
        let loaded = pages.add("one\ntwo".to_owned());
        let two = pages.line(loaded, 4, 3);
        let written = pages.write("three");
        pages.write(&"x".repeat(WRITTEN_PAGE_BYTES));
        assert_eq!(pages.text(two), "two");
        assert_eq!(pages.text(two.piece(1, 1)), "w");
        pages.keep_only(&[written]);
        assert_eq!(pages.text(written), "three");
        assert_eq!(pages.text(two), "");
        let again = pages.write("four");
        assert_eq!(pages.text(again), "four");
    }
}
