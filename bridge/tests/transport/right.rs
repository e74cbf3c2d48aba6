//! Who may attach, and who may act.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{FromViewer, PROTOCOL_VERSION, RefusalCode, Role};
use perfdeck_bridge::server::{Stats, serve};
use perfdeck_bridge::{Source, codec, socket};

use crate::host::{Deck, Folder, Host, attach, eventually, every_act, options, refusal};
use crate::user::{INTRUDER, OWNER, as_user, give, set_mode};

#[tokio::test]
async fn promise_11_only_allowed_uids_connect() {
    let host = Host::start("uids");
    let own = host.client().await;
    assert_eq!(own.hello().await.unwrap().role, Role::Control);
    drop(own);
    eventually("it left", || host.stats.viewers.load(Ordering::SeqCst) == 0).await;
    let path = host.path.clone();
    let denied = as_user(INTRUDER, move || UnixStream::connect(path))
        .join()
        .unwrap();
    assert_eq!(
        denied.unwrap_err().kind(),
        std::io::ErrorKind::PermissionDenied
    );

    // Even where somebody opened the folder and the socket to all, the kernel's word on the peer counts.
    set_mode(&host.folder.path, 0o755);
    set_mode(&host.path, 0o666);
    for uid in [INTRUDER, 65_534] {
        let refused = host.stats.refused.load(Ordering::SeqCst);
        let callers = host.deck.callers.lock().unwrap().len();
        let path = host.path.clone();
        let heard = tokio::task::spawn_blocking(move || as_user(uid, move || knock(path)).join());
        let heard = heard.await.unwrap().unwrap();
        assert!(heard.is_empty(), "uid {uid} heard {heard:?}");
        assert_eq!(host.stats.refused.load(Ordering::SeqCst), refused + 1);
        assert_eq!(host.stats.viewers.load(Ordering::SeqCst), 0);
        assert_eq!(
            host.deck.callers.lock().unwrap().len(),
            callers,
            "it never got a source"
        );
    }
}

/// Connects, says a fair hello and returns what there is to hear.
fn knock(path: PathBuf) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).unwrap();
    let viewer = "intruder".to_owned();
    let hello = FromViewer::Hello {
        protocol: PROTOCOL_VERSION,
        viewer,
        read_only: true,
    };
    // The host may hang up first.
    let _ = stream.write_all(&codec::encode(&hello).unwrap());
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    heard
}

#[tokio::test]
async fn root_observes_the_host_of_another_user_and_that_user_controls_it() {
    let folder = Folder::new("theirs");
    give(&folder.path, OWNER);
    let (path, deck, stats) = (
        folder.path.join("demo-1-1.sock"),
        Arc::new(Deck::default()),
        Arc::new(Stats::default()),
    );
    let (ready, bound) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (at, attach, counted) = (path.clone(), attach(&deck), Arc::clone(&stats));
    let server = as_user(OWNER, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = socket::bind_at(&at).unwrap();
            ready.send(()).unwrap();
            tokio::select! {
                () = serve(listener, attach, counted) => panic!("it stopped by itself"),
                _ = stopped => {}
            }
        });
    });
    bound.recv().unwrap();

    let client = Client::connect(&path, options(false)).await.unwrap();
    let hello = client.hello().await.unwrap();
    assert_eq!((hello.role, hello.allows), (Role::Observe, vec![]));
    for act in every_act() {
        assert_eq!(refusal(client.act(act).await).code, RefusalCode::NotAllowed);
    }
    assert!(deck.acts.lock().unwrap().is_empty());

    let role = |uid: u32, read_only: bool| {
        let path = path.clone();
        let attached = as_user(uid, move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let client = Client::connect(&path, options(read_only)).await?;
                client.hello().await.map(|hello| hello.role)
            })
        });
        attached.join().unwrap()
    };
    assert_eq!(role(OWNER, false).unwrap(), Role::Control);
    assert_eq!(role(OWNER, true).unwrap(), Role::Observe);
    // The viewer looks at what it connects to as well.
    set_mode(&folder.path, 0o755);
    set_mode(&path, 0o666);
    let error = role(INTRUDER, false).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(&format!("it belongs to uid {OWNER}")),
        "{error}"
    );
    stop.send(()).unwrap();
    server.join().unwrap();
}

#[tokio::test]
async fn promise_15_observe_role_cannot_change_anything() {
    let host = Host::start("observe");
    let client = Client::connect(&host.path, options(true)).await.unwrap();
    let hello = client.hello().await.unwrap();
    assert_eq!((hello.role, hello.allows), (Role::Observe, vec![]));
    for act in every_act() {
        let refused = refusal(client.act(act).await);
        assert_eq!(refused.code, RefusalCode::NotAllowed);
        assert!(refused.message.contains("may only observe"), "{refused}");
    }
    assert!(
        host.deck.acts.lock().unwrap().is_empty(),
        "none reached the source"
    );
    assert_eq!(host.deck.callers.lock().unwrap()[0].role, Role::Observe);

    // A role can't be raised on the way.
    let mut viewer = crate::raw::Viewer::connect(&host.path).await;
    let hello = |read_only| FromViewer::Hello {
        protocol: PROTOCOL_VERSION,
        viewer: "raw".to_owned(),
        read_only,
    };
    viewer.say(&hello(true)).await;
    viewer.say(&hello(false)).await;
    viewer.say(&FromViewer::Act(1, every_act().remove(0))).await;
    assert!(viewer.next().await.unwrap().starts_with("Hello"));
    assert!(viewer.next().await.unwrap().contains("a second hello"));
    assert!(viewer.next().await.is_none());
    assert!(host.deck.acts.lock().unwrap().is_empty());
}
