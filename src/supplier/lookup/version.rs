//! What tells one version of a file from another.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// The most bytes that a file may have.
const MOST: u64 = 64 * 1024 * 1024;

/// A file that was changed so short a time ago may change again and look the same: the clock of a file system has ticks.
const TICK: Duration = Duration::from_secs(3);

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and the time of the last change of the inode, which cannot be set back.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }

    /// Whether the content has to be looked at although the stamp is the one that is known.
    pub(super) fn is_doubtful(&self) -> bool {
        #[cfg(unix)]
        let changed = u64::try_from(self.inode.2)
            .ok()
            .map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
        // Without a time that cannot be set back it always is.
        #[cfg(not(unix))]
        let changed: Option<SystemTime> = None;
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        age.is_none_or(|age| age < TICK)
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Stamp {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ),
        }
    }
}

/// The digest of what a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content([u8; 32]);

/// A file that was read.
pub(super) struct Look {
    pub(super) stamp: Stamp,
    pub(super) content: Content,
    pub(super) bytes: Vec<u8>,
}

impl Look {
    /// Reads a regular file of a bearable size; what is neither is an error of the kind `InvalidInput`.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let wrong = |problem| io::Error::new(io::ErrorKind::InvalidInput, problem);
        // Before it is opened: opening a pipe waits for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(wrong("must be a regular file"));
        }
        let file = File::open(path)?;
        // The stamp is taken before the content: an edit in between is noticed at the next look.
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(wrong("must be a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST {
            return Err(wrong("must have at most 64 MiB"));
        }
        let content = Content(Sha256::digest(&bytes).into());
        Ok(Look {
            stamp: Stamp::from(&metadata),
            content,
            bytes,
        })
    }
}
