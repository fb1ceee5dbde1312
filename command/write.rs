//! Writes files wholly or not at all.
//!
//! What is written goes into a new file beside the one that is meant, which takes its place at the end. So
//! whatever interrupts a run, the old file or the new one is there, never a part.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use compiler::Compiled;

/// Bytes of a list that are joined before they are written.
const PART_BYTES: usize = 256 * 1024;

/// Where something is to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// No file was named, or `-`.
    StandardOutput,
    /// A file, which may exist.
    File(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::StandardOutput => write!(f, "standard output"),
            Target::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Target {
    /// The target that an argument names.
    pub fn of(path: Option<&Path>) -> Target {
        match path {
            Some(path) if path != Path::new("-") => Target::File(path.to_owned()),
            _ => Target::StandardOutput,
        }
    }

    /// Finds out early what would keep the target from being written.
    ///
    /// # Errors
    /// The target is a folder, or its folder does not exist.
    pub fn check(&self) -> Result<()> {
        let Target::File(path) = self else { return Ok(()) };
        ensure!(!path.is_dir(), "{self} is a folder; name a file in it");
        let folder = folder(path);
        ensure!(folder.is_dir(), "the folder {} does not exist; create it first", folder.display());
        Ok(())
    }

    /// Writes all parts. Whoever stops listening at standard output has had enough, which is no failure.
    ///
    /// # Errors
    /// If a file can't be written; then it is as it was before.
    pub fn write(&self, parts: impl IntoIterator<Item = String>) -> Result<()> {
        match self {
            Target::StandardOutput => match write_parts(&mut stdout().lock(), parts) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                outcome => Ok(outcome?),
            },
            Target::File(path) => match fs::metadata(path) {
                // Devices and pipes are written to and must stay what they are.
                Ok(found) if !found.is_file() => {
                    Ok(write_parts(&mut OpenOptions::new().write(true).open(path)?, parts)?)
                }
                // A link stays one: the file that it leads to is replaced.
                Ok(found) => replace(&fs::canonicalize(path)?, Some(found), parts),
                Err(_) => replace(path, None, parts),
            },
        }
    }
}

/// The lines of a list joined with LF, nothing behind the last.
pub fn list_parts(compiled: &Compiled) -> impl Iterator<Item = String> {
    compiled.chunks(PART_BYTES)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_parts(to: &mut impl Write, parts: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    for part in parts {
        to.write_all(part.as_bytes())?;
    }
    to.flush()
}

fn replace(path: &Path, found: Option<fs::Metadata>, parts: impl IntoIterator<Item = String>) -> Result<()> {
    if found.is_some() {
        // Renaming asks for no permission on the file itself; whoever took it away meant it.
        OpenOptions::new().write(true).open(path)?;
    }
    let beside = Beside::of(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside.0)
        .with_context(|| beside.0.display().to_string())?;
    write_parts(&mut file, parts)?;
    beside.put_in_place(&file, path, found)
}

/// A file that is gone when this is, unless it was put in place.
struct Beside(PathBuf);

impl Beside {
    fn of(path: &Path) -> Beside {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{:08x}.tmp", fastrand::u32(..)));
        Beside(folder(path).join(name))
    }

    fn put_in_place(self, file: &File, path: &Path, found: Option<fs::Metadata>) -> Result<()> {
        if let Some(found) = found {
            file.set_permissions(found.permissions())?;
        }
        // Some file systems would otherwise rename before they write.
        file.sync_all()?;
        Ok(fs::rename(&self.0, path)?)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It is gone already when it was put in place.
        let _ = fs::remove_file(&self.0);
    }
}
