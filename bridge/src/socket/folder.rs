use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::{FileId, io_error, my_uid, unsafe_folder};
use crate::Result;

/// The environment variable that puts the sockets elsewhere, for containers and tests; the same checks hold there.
pub const RUNTIME_DIR: &str = "PERFDECK_RUNTIME_DIR";

/// The most folders that root looks into; anyone can make folders in `/tmp`.
const MAX_FOLDERS: usize = 1024;

/// Returns the folder in which this user's hosts bind their sockets.
#[must_use]
pub fn own_folder() -> PathBuf {
    chosen(
        env::var_os(RUNTIME_DIR).as_deref(),
        env::var_os("XDG_RUNTIME_DIR").as_deref(),
        my_uid(),
    )
}

/// Returns the folders in which a viewer of this user looks for hosts; for root that is everyone's.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let mut folders = vec![own_folder()];
    if env::var_os(RUNTIME_DIR).is_some_and(|value| !value.is_empty()) {
        return folders;
    }
    folders.push(fallback(my_uid()));
    if my_uid() == 0 {
        folders.extend(children("/run/user").map(|user| user.join("perfdeck")));
        folders.extend(children("/tmp").filter(|path| named_uid(path).is_some()));
    }
    folders.sort();
    folders.dedup();
    folders.truncate(MAX_FOLDERS);
    folders
}

/// Returns the folders of other users' services that can be known by name, and whose they are; none for root, who looks
/// into them, and none where the folder was chosen by [`RUNTIME_DIR`].
#[must_use]
pub fn foreign_folders() -> Vec<(PathBuf, u32)> {
    let me = my_uid();
    if me == 0 || env::var_os(RUNTIME_DIR).is_some_and(|value| !value.is_empty()) {
        return Vec::new();
    }
    let named = children("/tmp").filter_map(|path| {
        let uid = named_uid(&path).filter(|uid| *uid != me)?;
        Some((path, uid))
    });
    named.take(MAX_FOLDERS).collect()
}

fn chosen(wished: Option<&OsStr>, runtime: Option<&OsStr>, uid: u32) -> PathBuf {
    if let Some(wished) = wished.filter(|value| !value.is_empty()) {
        return PathBuf::from(wished);
    }
    // After `sudo -E` or `su` the variable may still be another user's.
    runtime
        .map(Path::new)
        .filter(|path| path.is_absolute() && Folder::open(path, Owner::Uid(uid)).is_ok())
        .map_or_else(|| fallback(uid), |path| path.join("perfdeck"))
}

fn fallback(uid: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/perfdeck-{uid}"))
}

/// Returns whose folder this is by its name: `/tmp/perfdeck-<uid>` and `/run/user/<uid>/perfdeck` say so.
pub(super) fn named_uid(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    if let Some(uid) = name.strip_prefix("perfdeck-") {
        return (path.parent()? == Path::new("/tmp"))
            .then(|| uid.parse().ok())
            .flatten();
    }
    let user = path.parent().filter(|_| name == "perfdeck")?;
    (user.parent()? == Path::new("/run/user"))
        .then(|| user.file_name()?.to_str()?.parse().ok())
        .flatten()
}

fn children(folder: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

/// Whose a folder has to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    /// This user's.
    Me,
    /// A certain user's.
    Uid(u32),
    /// Anyone's, as long as nobody else may enter.
    Anyone,
}

/// A folder that only its owner may enter.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    file: FileId,
    uid: u32,
}

impl Folder {
    /// Makes the folder unless it is there, and looks at it.
    pub(super) fn make(path: &Path) -> Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io_error("make", path)(error))
            }
            Ok(()) | Err(_) => Self::open(path, Owner::Me),
        }
    }

    pub(super) fn open(path: &Path, owner: Owner) -> Result<Self> {
        // Without a slash at the end, behind which a link would be followed.
        let path: PathBuf = path.components().collect();
        let status = fs::symlink_metadata(&path).map_err(io_error("open", &path))?;
        if !status.is_dir() {
            return Err(unsafe_folder(&path, "it is a symbolic link or no folder"));
        }
        let wanted = match owner {
            Owner::Me => my_uid(),
            Owner::Uid(uid) => uid,
            Owner::Anyone => status.uid(),
        };
        if status.uid() != wanted {
            let problem = format!("it belongs to uid {}, not {wanted}", status.uid());
            return Err(unsafe_folder(&path, problem));
        }
        let mode = status.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let problem = format!("others may enter it (mode {mode:04o}, not 0700)");
            return Err(unsafe_folder(&path, problem));
        }
        Ok(Self {
            file: FileId::told_by(&status),
            uid: status.uid(),
            path,
        })
    }

    pub(super) const fn uid(&self) -> u32 {
        self.uid
    }

    /// Checks that the path has not led elsewhere since the folder was looked at.
    pub(super) fn check_still_there(&self) -> Result<()> {
        match FileId::of(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) | Err(_) => Err(unsafe_folder(&self.path, "it was replaced")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_wished_one_else_the_runtime_one_else_one_in_tmp() {
        let runtime = env::temp_dir().join(format!("pdt-{}-runtime", std::process::id()));
        DirBuilder::new().mode(0o700).create(&runtime).unwrap();
        let mine = Some(runtime.as_os_str());
        let me = my_uid();
        let check = |wished: Option<&str>, runtime, uid, expected: PathBuf| {
            assert_eq!(
                chosen(wished.map(OsStr::new), runtime, uid),
                expected,
                "{wished:?}"
            );
        };
        let in_tmp = |uid| PathBuf::from(format!("/tmp/perfdeck-{uid}"));
        check(Some("/x"), mine, me, PathBuf::from("/x"));
        check(Some(""), mine, me, runtime.join("perfdeck"));
        check(None, mine, me, runtime.join("perfdeck"));
        // Another user's, after `sudo -E`; a relative one; none.
        check(None, mine, me + 1, in_tmp(me + 1));
        check(None, Some(OsStr::new("run")), me, in_tmp(me));
        check(None, Some(OsStr::new("")), me, in_tmp(me));
        check(None, None, me, in_tmp(me));
        fs::remove_dir(&runtime).unwrap();
    }

    #[test]
    fn a_folders_name_says_whose_it_is() {
        let check = |path, expected| assert_eq!(named_uid(Path::new(path)), expected, "{path}");
        check("/tmp/perfdeck-1000", Some(1000));
        check("/run/user/1000/perfdeck", Some(1000));
        check("/tmp/perfdeck-x", None);
        check("/home/perfdeck-1000", None);
        check("/run/user/perfdeck", None);
        check("/", None);
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let path = env::temp_dir().join(format!("pdt-{}-made", std::process::id()));
        for _ in ["made", "found again"] {
            let folder = Folder::make(&path).unwrap();
            assert_eq!(folder.uid(), my_uid());
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        }
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn a_replaced_folder_is_noticed() {
        let path = env::temp_dir().join(format!("pdt-{}-replaced", std::process::id()));
        let folder = Folder::make(&path).unwrap();
        folder.check_still_there().unwrap();
        let aside = path.with_extension("aside");
        fs::rename(&path, &aside).unwrap();
        assert!(folder.check_still_there().is_err());
        Folder::make(&path).unwrap();
        assert!(folder.check_still_there().is_err());
        fs::remove_dir(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        folder.check_still_there().unwrap();
        fs::remove_dir(&path).unwrap();
    }
}
