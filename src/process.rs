//! What the process does to keep its memory, and so the passwords in it, to itself.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Forbids core files, reading the process's memory by others of the same user id, and reading its
/// files and sockets by anybody else, unless a file's mode is set on purpose.
///
/// # Errors
/// When the system refuses either.
pub fn keep_memory_private() -> std::io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    umask(Mode::RWXG | Mode::RWXO);
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, none)?;
    Ok(())
}
