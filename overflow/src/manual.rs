//! `overflow completions` and `overflow man`: the command line, told to shells and to readers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::Context;
use clap_complete::Shell;
use service::{out, process, settings};

use crate::{Cli, NAME};

#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the man pages into a folder: of this program, of ingest and of redirector
    Man {
        /// The folder; it is made if need be
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Runs it.
pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = settings::command::<Cli>();
            clap_complete::generate(*shell, &mut command, NAME, &mut script);
            out::line(String::from_utf8_lossy(&script).trim_end());
            ExitCode::SUCCESS
        }
        Command::Man { folder } => process::finish(|| async {
            write_pages(folder).with_context(|| format!("cannot write to {}", folder.display()))
        }),
    }
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for command in [
        settings::command::<Cli>(),
        settings::command::<ingest::Cli>().name("overflow-ingest"),
        settings::command::<redirector::Cli>().name("overflow-redirector"),
    ] {
        clap_mangen::generate_to(command, folder)?;
    }
    Ok(())
}
