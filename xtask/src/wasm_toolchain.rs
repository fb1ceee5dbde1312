//! A compiler for the Worker, together with the standard library's source.
//!
//! The Worker is built with panics that unwind, so that a panic ends one request and not the whole isolate.
//! The standard library that comes with compilers aborts, so it is built anew, which takes its source and
//! unstable flags. Any stable compiler can do that when told to (`RUSTC_BOOTSTRAP`); `worker-build` asks for
//! a nightly one, so it is given small stand-ins that drop that request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::project::root;
use crate::run::{capture, step, succeeds_within};
use crate::tools::{install_system_packages, path_with};

/// How long rustup may take for a few megabytes. Where it can't download it may wait for ever.
const RUSTUP_TIME: Duration = Duration::from_secs(120);
/// Debian's and Ubuntu's packages of a recent compiler, its source and a linker.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// A compiler that can build for wasm, standard library included.
pub struct WasmToolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    linker: Option<PathBuf>,
}

impl WasmToolchain {
    /// Finds one, or gets one.
    ///
    /// # Errors
    /// If none can be had; the message says what to install.
    pub fn find() -> Result<Self> {
        if let Some(found) = Self::of_rustup().or_else(Self::of_system) {
            return Ok(found);
        }
        step("adding the standard library's source with rustup");
        if succeeds_within(Command::new("rustup").args(["component", "add", "rust-src"]), RUSTUP_TIME)
            && let Some(found) = Self::of_rustup()
        {
            return Ok(found);
        }
        step(format!("rustup can't; installing {}", PACKAGES.join(", ")));
        install_system_packages(&PACKAGES);
        Self::of_system().ok_or_else(|| {
            anyhow::anyhow!(
                "no Rust compiler with the standard library's source: run `rustup component add rust-src`, \
                 or install the packages {}",
                PACKAGES.join(", ")
            )
        })
    }

    /// The compiler that `cargo` uses here, if its source is there.
    fn of_rustup() -> Option<Self> {
        let sysroot = capture(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root())).ok()?;
        let bin = Path::new(sysroot.trim()).join("bin");
        Self::in_folder(&bin, Path::new(sysroot.trim()))
    }

    /// The system's own packages.
    fn of_system() -> Option<Self> {
        Self::in_folder(Path::new("/usr/bin"), Path::new("/usr"))
    }

    fn in_folder(bin: &Path, sysroot: &Path) -> Option<Self> {
        let (cargo, rustc) = (bin.join("cargo"), bin.join("rustc"));
        let source = sysroot.join("lib/rustlib/src/rust/library/Cargo.lock");
        if !(cargo.is_file() && rustc.is_file() && source.is_file()) {
            return None;
        }
        let version = capture(Command::new(&rustc).arg("--version")).ok()?;
        if !is_recent(&version) {
            return None;
        }
        // Compilers of rustup bring a linker; the packaged ones use the system's.
        let brings_linker = has_rust_lld(sysroot);
        let linker = if brings_linker { None } else { Some(system_linker()?) };
        Some(Self { cargo, rustc, linker })
    }

    /// Makes `command` (a cargo, or what calls one) build with this compiler.
    ///
    /// # Errors
    /// If the stand-ins can't be written.
    pub fn apply<'a>(&self, command: &'a mut Command, more_path: &[PathBuf]) -> Result<&'a mut Command> {
        let stand_ins = self.write_stand_ins()?;
        let mut front = vec![stand_ins];
        front.extend_from_slice(more_path);
        front.push(root().join("node_modules/.bin"));
        command.env("PATH", path_with(&front));
        // Its own folder: another compiler's work in the same one would be thrown away each time.
        command.env("CARGO_TARGET_DIR", root().join("target/wasm"));
        for inherited in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(inherited);
        }
        // Every runtime that is targeted has it. Searches in texts use it, and the Worker gets smaller.
        command.env("RUSTFLAGS", "-Ctarget-feature=+simd128");
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        Ok(command)
    }

    fn write_stand_ins(&self) -> Result<PathBuf> {
        let folder = root().join("target/wasm-toolchain");
        fs::create_dir_all(&folder)?;
        let (cargo, rustc) = (self.cargo.display(), self.rustc.display());
        let drop_nightly = "[ \"$1\" = +nightly ] && shift\nexport RUSTC_BOOTSTRAP=1";
        let scripts = [
            ("cargo", format!("#!/bin/sh\n{drop_nightly} RUSTC='{rustc}'\nexec '{cargo}' \"$@\"\n")),
            // It looks for a ready-made standard library and then doesn't use it: any folder will do.
            (
                "rustc",
                format!(
                    "#!/bin/sh\n{drop_nightly}\ncase \"$*\" in *target-libdir*) echo /; exit ;; esac\nexec '{rustc}' \"$@\"\n"
                ),
            ),
            (
                "rustup",
                "#!/bin/sh\n[ \"$1\" = component ] && echo 'rust-src (installed)'\nexit 0\n".to_owned(),
            ),
        ];
        for (name, script) in scripts {
            let place = folder.join(name);
            if !fs::read_to_string(&place).is_ok_and(|current| current == script) {
                fs::write(&place, script)?;
                make_executable(&place)?;
            }
        }
        Ok(folder)
    }

    /// Names the compiler, so that a build made by another one is not taken for current.
    pub fn fingerprint(&self) -> Result<String> {
        capture(Command::new(&self.rustc).arg("-vV"))
    }
}

/// 1.95 or later: the oldest the workspace is tested with.
fn is_recent(version: &str) -> bool {
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(1), Some(95))
}

fn has_rust_lld(sysroot: &Path) -> bool {
    let targets = fs::read_dir(sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
    targets.into_iter().any(|target| target.path().join("bin/rust-lld").is_file())
}

/// The newest `wasm-ld` on the system.
fn system_linker() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/bin")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("wasm-ld")?.strip_prefix('-').unwrap_or("0").parse().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> Result<()> {
    anyhow::bail!("only Linux and macOS are supported")
}
