//! Builds the Worker.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::project::{npm_program, root};
use crate::run::{run, step};
use crate::tools::{hex, install_npm_packages, wasm_bindgen, worker_build};
use crate::wasm_toolchain::WasmToolchain;

/// What the build is made of, besides the compiler.
const INPUTS: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "package-lock.json",
    ".cargo",
    "docs/openapi.json",
    "src",
    "durable",
    "limits",
    "compiler",
];
/// Written into a finished build; names what it was made of.
const STAMP: &str = "made-of";

/// Builds the Worker into `build/` and tells its size. Does nothing if nothing changed.
///
/// # Errors
/// If a tool is missing or the code does not compile.
pub fn build_release() -> Result<PathBuf> {
    let folder = build("build", &[])?;
    print_size(&folder)?;
    Ok(folder)
}

/// Builds a Worker that has the routes that break on purpose, for tests alone.
///
/// # Errors
/// As [`build_release`].
pub fn build_with_faults() -> Result<PathBuf> {
    build("target/worker-with-faults", &["--features", "faults"])
}

fn build(folder: &str, cargo_options: &[&str]) -> Result<PathBuf> {
    install_npm_packages()?;
    let toolchain = WasmToolchain::find()?;
    let out = root().join(folder);
    let made_of = fingerprint(&toolchain, cargo_options)?;
    if fs::read_to_string(out.join(STAMP)).is_ok_and(|current| current == made_of) {
        return Ok(out);
    }
    let bindgen = wasm_bindgen()?;
    let builder = worker_build()?.join("worker-build");
    step(format!("building the Worker into {folder}/ (minutes the first time)"));
    let mut command = Command::new(builder);
    command
        .current_dir(root())
        .args(["--release", "--panic-unwind", "--out-dir", folder])
        .args(cargo_options)
        .env("WASM_BINDGEN_BIN", bindgen.join("wasm-bindgen"))
        .env("WASM_OPT_BIN", npm_program("wasm-opt"))
        .env("ESBUILD_BIN", npm_program("esbuild"));
    run(toolchain.apply(&mut command, &[])?)?;
    fs::write(out.join(STAMP), made_of)?;
    Ok(out)
}

fn fingerprint(toolchain: &WasmToolchain, cargo_options: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(toolchain.fingerprint()?);
    hash.update(cargo_options.join(" "));
    hash.update(fingerprint_of(&INPUTS)?);
    Ok(hex(&hash.finalize()))
}

/// A hash of files and folders of the repository.
///
/// # Errors
/// If one is missing.
pub fn fingerprint_of(inputs: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    inputs.iter().try_for_each(|input| add(&mut hash, &root().join(input)))?;
    Ok(hex(&hash.finalize()))
}

/// Adds a file, or all files below a folder in a fixed order. Names count, too.
fn add(hash: &mut Sha256, path: &Path) -> Result<()> {
    hash.update(path.to_string_lossy().as_bytes());
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        entries.sort();
        entries.iter().try_for_each(|entry| add(hash, entry))
    } else {
        hash.update(fs::read(path).with_context(|| format!("{} is missing", path.display()))?);
        Ok(())
    }
}

/// The platform counts the modules after gzip: 3 MB on its free plan.
/// <https://developers.cloudflare.com/workers/platform/limits/#worker-size>
fn print_size(folder: &Path) -> Result<()> {
    let (mut plain, mut packed) = (0, 0);
    for module in ["index.js", "index_bg.wasm"] {
        let bytes = fs::read(folder.join(module)).with_context(|| format!("{module} was not built"))?;
        plain += bytes.len();
        packed += packed_bytes(&bytes)?;
    }
    println!("Worker: {} KiB, gzip {} KiB (limit 3072 KiB)", kib(plain), kib(packed));
    Ok(())
}

/// Bytes that are left after gzip.
///
/// # Errors
/// Never.
pub fn packed_bytes(bytes: &[u8]) -> Result<usize> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?.len())
}

/// Whole KiB, rounded up.
pub fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}
