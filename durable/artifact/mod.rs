//! One object per list: it compiles the list, keeps it for a while, and is where those meet who want the same one.
//!
//! The object is named by what the list is made of ([`name_of`]), so whoever asks for the same list asks the same
//! object, and while a list is being made nobody else makes it. A list is answered with for an hour; jobs have it
//! kept for longer. Failures are not kept.
//!
//! # Guarantee
//! A version is written as a whole or not at all, never changed, and its number is never used for another list, even
//! after everything was deleted: it is the instant at which it was made.
//!
//! When the last version is over, an alarm empties the storage.

mod object;
mod schema;
mod stub;
pub mod wire;
pub mod work;

use std::collections::BTreeMap;
use std::io::Write;

use sha2::{Digest, Sha256};

pub use object::Artifact;
pub use stub::{ArtifactStub, BINDING};
use wire::Recipe;

/// The name of the object that has the list: the SHA-256 of what it is made of, in hexadecimal. The order of members
/// and texts does not matter.
///
/// # Errors
/// If the recipe can't be written as JSON, which is a defect.
pub fn name_of(recipe: &Recipe) -> serde_json::Result<String> {
    let mut hash = Hash(Sha256::new());
    // Maps of `serde_json` are sorted.
    let texts: BTreeMap<&String, &String> = recipe.texts.iter().collect();
    serde_json::to_writer(&mut hash, &(&recipe.configuration, texts, recipe.report))?;
    Ok(hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(recipe: serde_json::Value) -> String {
        name_of(&serde_json::from_value(recipe).unwrap()).unwrap()
    }

    /// A change here makes every list be compiled anew once, and loses sight of those that are kept.
    #[test]
    fn names_are_pinned() {
        assert_eq!(
            name(json!({ "configuration": { "name": "N", "sources": [{ "source": "a" }] } })),
            "0432dd03e06ae08330866237db2215ac40a7468bdd713c0d0794d933a2a80a78"
        );
    }

    #[test]
    fn what_makes_another_list_has_another_name() {
        let names = [
            name(json!({ "configuration": { "name": "N" } })),
            name(json!({ "configuration": { "name": "M" } })),
            name(json!({ "configuration": { "name": "N" }, "report": true })),
            name(json!({ "configuration": { "name": "N" }, "texts": { "a": "b" } })),
            name(json!({ "configuration": { "name": "N" }, "texts": { "a": "c" } })),
        ];
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn order_does_not_matter() {
        let texts = |names: &[&str]| {
            let texts: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), json!("t"))).collect();
            name(json!({ "configuration": { "a": 1, "b": 2 }, "texts": texts }))
        };
        assert_eq!(texts(&["a", "b", "c"]), texts(&["c", "a", "b"]));
        let turned: Recipe = serde_json::from_str(r#"{"configuration":{"b":2,"a":1}}"#).unwrap();
        assert_eq!(name_of(&turned).unwrap(), name(json!({ "configuration": { "a": 1, "b": 2 } })));
    }
}
