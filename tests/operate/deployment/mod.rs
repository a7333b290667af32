//! The deployment files, held against the program and against the tools that read them. No container and no unit is started here.

/// Words of configuration files.
mod files;
/// What one file names exists: in the repository, among the settings, among the commands.
mod named;
/// What the tools of others say: compose's schema, hadolint, systemd-analyze, a chroot of the image's files.
mod tools;
