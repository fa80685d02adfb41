//! Reading, checking and creating the file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::{Callers, FILE_BYTES_MAX, TokenFileError, digest};
use crate::auth::bearer;

/// Bits nobody but the owner may have; execution makes no sense either.
const FORBIDDEN_MODE: u32 = 0o177;
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// User of the generated token.
const LOCAL_USER: &str = "local";
const TOKEN_BYTES: usize = 32;

/// Opens the file, checks its mode on the open descriptor, and parses it.
pub(super) fn callers(path: &Path) -> Result<Callers, TokenFileError> {
    let failed = |source| TokenFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(ErrorKind::InvalidInput.into()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(TokenFileError::Mode { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(TokenFileError::TooLarge { path: path.to_owned() });
    }
    parse(&text).map_err(|(line, problem)| TokenFileError::Line { path: path.to_owned(), line, problem })
}

/// The callers, or the number of the first bad line and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Callers, (usize, &'static str)> {
    let mut entries = Vec::new();
    let mut tokens = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (user, token) = line.rsplit_once(':').ok_or((number, "not `<user>:<token>`"))?;
        let (user, token) = (user.trim(), token.trim());
        if user.is_empty() || user.chars().any(char::is_control) {
            return Err((number, "no user before the colon"));
        }
        if !bearer::is_bearer(token) {
            return Err((number, "the token is empty or has characters a bearer token cannot have"));
        }
        if !tokens.insert(digest(token)) {
            return Err((number, "the token is already used on an earlier line"));
        }
        entries.push((user.to_owned(), digest(token)));
    }
    Ok(Callers { entries })
}

/// Whether a file with one fresh token was created. It appears under its name only when it is complete.
pub(super) fn create_if_missing(path: &Path) -> Result<bool, TokenFileError> {
    let failed = |source| TokenFileError::Create { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(TokenFileError::Read { path: path.to_owned(), source }),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let text = first_line()?;
    let written = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    // A link, unlike a rename, does not replace a file somebody else has just made.
    let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
    let _ = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.exists() => Ok(false),
        Err(source) => Err(failed(source)),
    }
}

fn first_line() -> Result<Zeroizing<String>, TokenFileError> {
    let mut random = Zeroizing::new([0_u8; TOKEN_BYTES]);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(random.as_mut_slice()).map_err(|_| TokenFileError::Random)?;
    let mut text = Zeroizing::new(format!("# one caller per line: <user>:<token>\n{LOCAL_USER}:"));
    for byte in random.iter() {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    Ok(text)
}
