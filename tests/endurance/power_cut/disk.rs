//! An ext4 of its own in a file, mounted through a loop device, whose power can be cut.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Sparse: only what is written takes room.
const IMAGE_BYTES: u64 = 512 * 1024 * 1024;

/// How the file system goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Its own journal still reaches the disk, the data of files doesn't.
    Flush,
    /// Nothing reaches the disk any more.
    NoFlush,
}

impl Shutdown {
    pub fn name(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::NoFlush => "noflush",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Flush => "shutdown -f",
            Self::NoFlush => "shutdown",
        }
    }
}

/// The program that cuts, started before the moment: a cut must not wait for it.
pub struct Switch {
    program: Child,
    how: Shutdown,
}

impl Switch {
    /// From now on nothing is written and every call of the writer fails. Its files stay open.
    pub fn cut(mut self) {
        let mut stdin = self.program.stdin.take().expect("its input");
        stdin.write_all(format!("{}\nquit\n", self.how.command()).as_bytes()).expect("the power is cut");
        assert!(self.program.wait().expect("it ends").success());
    }
}

/// Unmounted and removed on drop.
pub struct Disk {
    folder: PathBuf,
    mounted: bool,
}

/// What is missing, by trying it: being root doesn't mean that a container has loop devices.
pub fn is_possible() -> Result<(), String> {
    for program in ["mkfs.ext4", "xfs_io", "mount", "umount"] {
        let found = Command::new(program).arg("-V").output();
        found.map_err(|error| format!("{program} can't be run ({error}; packages e2fsprogs, xfsprogs, mount)"))?;
    }
    let mut disk = Disk::made()?;
    disk.mount()?;
    done(Command::new("xfs_io").args(["-x", "-c", Shutdown::NoFlush.command()]).arg(disk.root()))
        .map(drop)
        .map_err(|why| format!("this kernel can't cut the power of an ext4: {why}"))
}

impl Disk {
    pub fn new() -> Self {
        let mut disk = Self::made().expect("an image");
        disk.power_on();
        disk
    }

    fn made() -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("arbees-power-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let disk = Self { folder: std::env::temp_dir().join(name), mounted: false };
        fs::create_dir_all(disk.root()).map_err(|error| error.to_string())?;
        let image = File::create(disk.image()).and_then(|file| file.set_len(IMAGE_BYTES));
        image.map_err(|error| error.to_string())?;
        done(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.join("image")
    }

    fn root(&self) -> PathBuf {
        self.folder.join("mnt")
    }

    /// Where the log lies.
    pub fn log(&self) -> PathBuf {
        self.root().join("data")
    }

    fn mount(&mut self) -> Result<(), String> {
        let mounted = done(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(self.image()).arg(self.root()));
        mounted.map_err(|why| format!("no ext4 can be mounted through a loop device here (root? a container?): {why}"))?;
        self.mounted = true;
        Ok(())
    }

    pub fn power_on(&mut self) {
        self.mount().expect("mounts");
    }

    /// A hand on the switch.
    pub fn switch(&self, how: Shutdown) -> Switch {
        let spawned = Command::new("xfs_io").arg("-x").arg(self.root()).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Switch { program: spawned.expect("xfs_io starts"), how }
    }

    /// What the kernel still holds of the dead file system is thrown away.
    pub fn unmount(&mut self) {
        done(Command::new("umount").arg(self.root())).expect("unmounts");
        self.mounted = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a writer that a failed test left behind must not keep it mounted.
            let _ = Command::new("umount").arg("-l").arg(self.root()).status();
        }
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
}

fn done(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{:?} ended with {}: {}", command.get_program(), output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
