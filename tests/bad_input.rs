//! What goes wrong ends in one clear sentence and an exit code, and the host goes on.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{
    ActRequest, FindingId, Intent, LedgerRow, LedgerStatus, RefusalCode,
};
use perfdeck_bridge::{Error, Source};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::postgres::Server;
use perfdeck_tests::process::{Process, program};
use serde_json::Value;

use crate::desk;
use crate::journey::{RATE, diagnose};

/// Checks that a command failed with one sentence that has this in it, and returns it.
fn complaint(output: &Output, of: &str) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    ensure!(output.stdout.is_empty(), "it failed, and printed an answer");
    ensure!(said.lines().count() == 1, "not one sentence: {said}");
    ensure!(!said.contains("panicked") && said.contains(of), "{said}");
    Ok(said)
}

#[test]
fn without_a_service_it_says_so() -> Result<()> {
    let folder = Folder::new()?;
    for verb in ["status", "recommendations", "ledger", "requests"] {
        complaint(
            &perfdeck(folder.path(), &[verb])?,
            "no service with perfdeck",
        )?;
    }
    Ok(())
}

#[test]
fn a_stale_socket_is_not_mistaken_for_a_service() -> Result<()> {
    let folder = Folder::new()?;
    let socket = folder.path().join("gone-1-1.sock");
    drop(UnixListener::bind(&socket)?);
    let named = socket.to_string_lossy();
    let status = perfdeck(folder.path(), &["status", "--socket", &named])?;
    complaint(&status, "nobody listens on")?;
    complaint(
        &perfdeck(folder.path(), &["status"])?,
        "no service with perfdeck",
    )?;
    Ok(())
}

#[test]
fn a_folder_that_others_may_enter_is_refused_by_both_ends() -> Result<()> {
    let folder = Folder::new()?;
    let shared = shared_in(&folder)?;
    let why = "others may enter it (mode 0755, not 0700)";
    complaint(&perfdeck(&shared, &["status"])?, why)?;
    check_no_host(&shared, why)
}

#[test]
fn a_folder_of_another_user_is_refused_by_both_ends() -> Result<()> {
    // Users that no system has.
    let (viewer, stranger) = (60_123, 60_124);
    let folder = Folder::new()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let foreign = folder.path().join("foreign");
    DirBuilder::new().mode(0o700).create(&foreign)?;
    chown(&foreign, Some(stranger), Some(stranger))
        .context("this needs root, or `unshare --map-root-user --map-auto cargo test`")?;
    let why = format!("it belongs to uid {stranger}");
    check_no_host(&foreign, &why)?;

    // Root may look into everybody's, so the viewer is somebody else, who can't enter the folder of the build.
    let copy = folder.path().join("perfdeck");
    fs::copy(program("perfdeck")?, &copy)?;
    let output = Command::new(copy)
        .arg("status")
        .env("PERFDECK_RUNTIME_DIR", &foreign)
        .current_dir("/")
        .uid(viewer)
        .gid(viewer)
        .output()?;
    complaint(&output, &why)?;
    Ok(())
}

/// Makes a folder that others may enter, whatever the umask.
fn shared_in(folder: &Folder) -> Result<PathBuf> {
    let shared = folder.path().join("shared");
    fs::create_dir(&shared)?;
    fs::set_permissions(&shared, Permissions::from_mode(0o755))?;
    Ok(shared)
}

/// Checks that no host serves in a folder, and that it says why.
fn check_no_host(folder: &Path, why: &str) -> Result<()> {
    let own = Folder::new()?;
    let mut command = Command::new(program("demo")?);
    command
        .args(["--headless", "--seconds", "1"])
        .env("PERFDECK_RUNTIME_DIR", folder)
        .env("TMPDIR", own.path());
    let mut demo = Process::start(command)?;
    let status = demo.end(Duration::from_secs(60))?;
    ensure!(!status.success(), "it serves in a folder that is not safe");
    ensure!(demo.stderr().contains(why), "{}", demo.stderr());
    Ok(())
}

#[test]
fn promise_11_a_service_goes_on_where_it_can_not_be_served() -> Result<()> {
    let folder = Folder::new()?;
    let open = shared_in(&folder)?;
    desk::runtime()?.block_on(async {
        let builder = perfdeck::Builder::new("goes-on").socket(open.join("deck.sock"));
        let (guard, deck) = builder.start_or_off();
        ensure!(!deck.is_on() && deck.socket().is_none());
        let pool = desk::database(&folder.path().join("db")).await?;
        let pool = deck.pool("primary", pool);
        let count = "SELECT count(*) FROM notes";
        let notes: i64 = sqlx::query_scalar(count).fetch_one(&pool).await?;
        ensure!(notes == 40_000, "{notes}");
        guard.stop();
        ensure!(fs::read_dir(&open)?.next().is_none(), "something was left");
        Ok(())
    })
}

#[test]
fn a_garbage_frame_ends_its_connection_and_nothing_else() -> Result<()> {
    let host = Host::start(&["--no-load", "--healthy"])?;
    let socket = host.socket().context("the deck is on")?;
    for garbage in [
        &[0xff; 64][..],
        &[0, 0, 0, 4, 0xc1, 0xc1, 0xc1, 0xc1],
        &[0; 16],
    ] {
        let mut viewer = UnixStream::connect(socket)?;
        viewer.set_read_timeout(Some(Duration::from_secs(10)))?;
        viewer.write_all(garbage)?;
        // The host may say why, and then it hangs up.
        let mut said = Vec::new();
        match viewer.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => ensure!(
                error.kind() == std::io::ErrorKind::ConnectionReset,
                "the host holds on to {garbage:?}: {error}"
            ),
        }
    }
    ensure!(host.get("/workspaces/1/documents")?.status == 200);
    host.json(&["status"])?;
    Ok(())
}

#[test]
fn a_peer_that_answers_with_garbage_is_told_apart() -> Result<()> {
    let folder = Folder::new()?;
    let socket = folder.path().join("fake-1-1.sock");
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    let fake = std::thread::Builder::new().spawn(move || -> std::io::Result<()> {
        for viewer in listener.incoming().take(1) {
            viewer?.write_all(&[0, 0, 0, 2, 0xc1, 0xc1])?;
        }
        Ok(())
    })?;
    let named = socket.to_string_lossy();
    let status = perfdeck(folder.path(), &["status", "--socket", &named])?;
    complaint(&status, "does not speak perfdeck's protocol")?;
    fake.join()
        .map_err(|_| anyhow::anyhow!("the fake panicked"))??;
    Ok(())
}

#[test]
fn an_unknown_id_is_refused_and_leaves_no_trace() -> Result<()> {
    let host = Host::start(&["--no-load", "--healthy"])?;
    for (arguments, why) in [
        (
            &["apply", "no-such-finding", "--apply"][..],
            "no open finding no-such-finding",
        ),
        (&["undo", "4711", "--apply"], "no such row: 4711"),
        (
            &["cache", "clear", "no-such-cache", "--apply"],
            "no-such-cache",
        ),
    ] {
        complaint(&host.perfdeck(arguments)?, why)?;
    }
    ensure!(host.json(&["ledger"])? == serde_json::json!([]));
    ensure!(host.get("/workspaces/1/documents")?.status == 200);
    Ok(())
}

#[test]
fn a_viewer_without_the_right_changes_nothing() -> Result<()> {
    let host = Host::start(&["--no-load", "--healthy"])?;
    host.get("/workspaces/3/analytics")?;
    let output = host.perfdeck(&["cache", "clear", "analytics", "--apply", "--read-only"])?;
    complaint(&output, "may only observe")?;
    ensure!(host.json(&["ledger"])? == serde_json::json!([]));
    Ok(())
}

#[test]
fn an_unreachable_database_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new(program("demo")?);
    command
        .args(["--headless", "--seconds", "1"])
        .args(["--postgres", "postgres://nobody@127.0.0.1:1/nothing"])
        .env("PERFDECK_RUNTIME_DIR", folder.path());
    let mut demo = Process::start(command)?;
    let status = demo.end(Duration::from_secs(60))?;
    ensure!(!status.success());
    ensure!(
        demo.stderr().contains("cannot reach the server"),
        "{}",
        demo.stderr()
    );
    Ok(())
}

#[test]
fn a_database_that_dies_is_named_and_the_host_goes_on() -> Result<()> {
    let server = Server::start()?;
    let host = Host::start(&["--postgres", &server.database("desk")?, "--rate", RATE])?;
    let diagnosis = diagnose(&host)?;
    let id = |finding: &Value| anyhow::Ok(finding["id"].as_str().context("an id")?.to_owned());
    let (previewed, later) = (id(&diagnosis.documents)?, id(&diagnosis.embed_codes)?);
    let runtime = desk::runtime()?;
    let (client, plan) = runtime.block_on(async {
        let options = Options {
            viewer: "test".into(),
            read_only: false,
        };
        let socket = host.socket().context("the deck is on")?;
        let client = Client::connect(socket, options).await?;
        let plan = desk::preview(&client, Intent::Apply(FindingId(previewed))).await?;
        anyhow::Ok((client, plan))
    })?;
    drop(server);

    let row = runtime.block_on(async {
        client.act(ActRequest::Apply(plan)).await?;
        let ended = |row: &LedgerRow| row.status != LedgerStatus::Running;
        desk::any_row(&client, "end", ended).await
    })?;
    ensure!(row.status == LedgerStatus::Failed, "{row:#?}");
    ensure!(
        row.message.contains("the database can't be reached"),
        "{row:#?}"
    );
    complaint(
        &host.perfdeck(&["apply", &later, "--apply"])?,
        "the database can't be reached",
    )?;
    let rows = host.json(&["ledger"])?;
    ensure!(
        rows[0]["status"] == "failed" && rows[1].is_null(),
        "{rows:#}"
    );
    let status = host.json(&["status"])?;
    ensure!(status["current_metrics"].is_object(), "{status:#}");
    ensure!(host.get("/workspaces/1/documents")?.status == 500);
    Ok(())
}

#[test]
fn an_expired_plan_is_refused_and_a_new_one_is_not() -> Result<()> {
    let life = Duration::from_secs(60);
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = perfdeck::Builder::new("expired").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let cache = deck.cache("prices");
        cache.insert("tea", 7_u32);
        let client = desk::viewer(&deck, false).await?;
        let namespace = "prices".to_owned();
        let intent = Intent::ClearCache { namespace };
        let clear = || desk::preview(&client, intent.clone());
        let plan = clear().await?;
        tokio::time::sleep(life + Duration::from_secs(1)).await;
        let Err(Error::Refused(refusal)) = client.act(ActRequest::Apply(plan)).await else {
            bail!("an expired plan was applied");
        };
        ensure!(refusal.code == RefusalCode::Expired, "{refusal:?}");
        ensure!(refusal.message.lines().count() == 1, "{refusal:?}");
        ensure!(cache.get::<u32>("tea").is_some(), "it was applied");
        client.act(ActRequest::Apply(clear().await?)).await?;
        ensure!(cache.get::<u32>("tea").is_none(), "a new plan was not");
        guard.stop();
        Ok(())
    })
}
