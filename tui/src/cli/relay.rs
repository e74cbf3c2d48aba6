use anyhow::{Context as _, Result};
use tokio::io::{AsyncWriteExt as _, copy};
use tokio::net::UnixStream;

use super::connect;
use crate::target::Target;

/// Joins standard input and output to the host's socket until either side ends.
///
/// It speaks no protocol: hello, version and rights are between the viewer and the host, who sees this process's user.
pub(super) fn run(target: Target) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("could not start the event loop")?;
    let joined = runtime.block_on(join(target));
    // A read of standard input can't be taken back, so it is not waited for.
    runtime.shutdown_background();
    joined
}

async fn join(target: Target) -> Result<()> {
    let path = match &target.socket {
        Some(path) => path.clone(),
        None => connect::choose(&target)?.path,
    };
    let stream = UnixStream::connect(&path).await;
    let stream = stream.with_context(|| format!("could not connect to {}", path.display()))?;
    let (mut from_host, mut to_host) = stream.into_split();
    let (mut input, mut output) = (tokio::io::stdin(), tokio::io::stdout());
    let outward = async {
        copy(&mut input, &mut to_host).await?;
        to_host.shutdown().await
    };
    let inward = async {
        copy(&mut from_host, &mut output).await?;
        output.flush().await
    };
    // When the viewer has left nothing it would still read is to come; when the host has left nothing can be sent.
    let ended = tokio::select! {
        ended = outward => ended,
        ended = inward => ended,
    };
    match ended {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended.context("could not pass the connection on"),
    }
}
