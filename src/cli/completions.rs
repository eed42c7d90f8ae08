//! `rushlight completions`: completion scripts for shells.

use clap::Args;
use clap_complete::Shell;
use rushlight::Result;

use super::{Global, command};

pub const EXAMPLES: &str = "Examples:
  rushlight completions bash > ~/.local/share/bash-completion/completions/rushlight
  rushlight completions zsh > ~/.zfunc/_rushlight";

#[derive(Args, Debug)]
pub struct Flags {
    /// The shell
    shell: Shell,
}

pub fn run(flags: Flags, _global: &Global) -> Result<()> {
    clap_complete::generate(flags.shell, &mut command(), "rushlight", &mut std::io::stdout());
    Ok(())
}
