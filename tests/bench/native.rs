//! The engine as a native program, for `cargo xtask bench compile`.
//!
//! Arguments: the name of a list in the current folder, then transformations. For every line on standard
//! input it compiles the list once and prints one line of JSON. Timed is the way from the file to the text
//! of the compiled list; the first compilation warms up.

use std::error::Error;
use std::time::Instant;
use std::{env, fs, io};

use compiler::{Compilation, Configuration, ConfigurationDraft, LevelDraft, SourceDraft, Stamp};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let source = arguments.next().ok_or("the name of a list is missing")?;
    let transformations: Vec<String> = arguments.collect();
    for line in io::stdin().lines() {
        line?;
        let started_at = Instant::now();
        let (text, header_bytes) = compile(&source, &transformations)?;
        let ms = started_at.elapsed().as_secs_f64() * 1000.0;
        let body = text.get(header_bytes..).ok_or("the list has no body")?;
        println!("{{\"ms\":{ms},\"sha256\":\"{:x}\"}}", Sha256::digest(body));
    }
    Ok(())
}

/// The compiled list as text, and the length of its header.
fn compile(source: &str, transformations: &[String]) -> Result<(String, usize), Box<dyn Error>> {
    let draft = ConfigurationDraft {
        name: "bench".to_owned(),
        sources: vec![SourceDraft { source: source.to_owned(), ..SourceDraft::default() }],
        level: LevelDraft { transformations: transformations.to_vec(), ..LevelDraft::default() },
        ..ConfigurationDraft::default()
    };
    let configuration = Configuration::validate(draft).map_err(|issues| format!("{issues:?}"))?;
    let mut compilation = Compilation::new(configuration);
    while let Some(wanted) = compilation.wanted().first().cloned() {
        compilation.supply(wanted.id, fs::read_to_string(wanted.location.as_str())?)?;
    }
    let stamp = Stamp { compiler: "bench".to_owned(), last_modified_ms: 0 };
    let compiled = compilation.finish(&stamp)?;

    let mut text = String::with_capacity(compiled.n_bytes());
    for line in compiled.lines() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    // Every line of the header is followed by a line end.
    let header_bytes = compiled.header().iter().map(|line| line.len() + 1).sum();
    Ok((text, header_bytes))
}
