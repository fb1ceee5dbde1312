//! Where things lie.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository's root folder.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The folder in the user's cache where tools are kept, by version.
///
/// # Errors
/// If the user has no home.
pub fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("no cache folder: set HOME or XDG_CACHE_HOME")?;
    Ok(base.join("bloqr-backend"))
}

/// A program that npm installed for this repository.
pub fn npm_program(name: &str) -> PathBuf {
    root().join("node_modules/.bin").join(name)
}
