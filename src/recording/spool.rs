//! Where recordings are put: `<started>-<incident>-<session>.recording.json`, mode 0600, complete or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::format::Recording;

/// End of the name of a recording.
const SUFFIX: &str = ".recording.json";
/// Characters of the incident's id in a file name.
const INCIDENT_CHARS_MAX: usize = 60;

/// Writes a recording beside its final name, then renames it. Blocks on the disk.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn write(directory: &Path, recording: &Recording) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = directory.join(name(recording));
    let beside = directory.join(format!(".{}{SUFFIX}.partial", recording.session));
    let written = fill(&beside, &recording.to_bytes()?).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        // What is left over is of no use; the error of the write is the one to tell.
        let _ = std::fs::remove_file(&beside);
    }
    written.map(|()| path)
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn name(recording: &Recording) -> String {
    let started = recording.started_at.strftime("%Y%m%dT%H%M%SZ");
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') { letter } else { '_' };
    let incident: String = recording.incident.incident_id.chars().take(INCIDENT_CHARS_MAX).map(plain).collect();
    format!("{started}-{incident}-{}{SUFFIX}", recording.session)
}
