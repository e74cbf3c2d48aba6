use super::*;

/// Where the process runs, above perfdeck's own sources and beside the service's.
const HERE: &str = "/home/me/desk";

type Seen = (Option<String>, Option<(String, u32)>);

fn told(stack: &str) -> Vec<Seen> {
    let frames = read(stack, HERE).frames.into_iter();
    frames.map(|frame| (frame.function, frame.at)).collect()
}

fn at(file: &str, line: u32) -> Option<(String, u32)> {
    Some((file.to_owned(), line))
}

/// As std wrote it of a handler of axum's, shortened.
const HANDLER: &str = "   0: std::backtrace::Backtrace::create
   1: std::backtrace::Backtrace::force_capture
   2: perfdeck::record::site::Sites::take
             at ./sdk/src/record/site.rs:104:37
   3: <perfdeck::observe::executor::Observed as core::ops::drop::Drop>::drop
             at ./sdk/src/observe/executor.rs:333:28
      core::ptr::drop_in_place<perfdeck::observe::executor::Observed>
             at /rustc/59807616e/library/core/src/ptr/mod.rs:805:1
   4: sqlx_core::query::Query<DB,A>::fetch_one::{{closure}}
   5: desk::store::document::page::{{closure}}
             at ./desk/src/store/document.rs:58:10
   6: <tracing::instrument::Instrumented<T> as core::future::future::Future>::poll
   7: desk::store::document::page::{{closure}}
             at ./desk/src/store/document.rs:50:1
      <F as retry::Again>::again
             at /home/me/.cargo/registry/src/index.example-1949cf8c6b5b557f/retry-1.0.0/src/lib.rs:9:1
   8: desk::route::document::list::{{closure}}
             at ./desk/src/route/document.rs:31:5
   9: <F as axum::handler::Handler<(M,T1),S>>::call::{{closure}}
  10: desk::guard::signed_in::{{closure}}
             at ./desk/src/guard.rs:12:5
  11: tokio::runtime::task::core::Core<T,S>::poll
  12: desk::main
  13: __libc_start_main
";

#[test]
fn a_handlers_frames_are_the_hosts_own_and_end_where_it_is_called() {
    let expected = [
        (
            "desk::store::document::page",
            58,
            "desk/src/store/document.rs",
        ),
        (
            "desk::route::document::list",
            31,
            "desk/src/route/document.rs",
        ),
    ];
    let expected =
        expected.map(|(function, line, file)| (Some(function.to_owned()), at(file, line)));
    assert_eq!(told(HANDLER), expected);
    assert!(read(HANDLER, HERE).named);
}

#[test]
fn without_debug_information_there_are_names_and_no_places() {
    let names: String = HANDLER
        .lines()
        .filter(|line| !line.trim().starts_with("at "))
        .filter(|line| !line.contains("retry"))
        .map(|line| format!("{line}\n"))
        .collect();
    let functions: Vec<_> = told(&names);
    assert_eq!(functions.len(), 2);
    assert!(functions.iter().all(|(_, place)| place.is_none()));
}

/// As std wrote it where debug information has only lines, shortened.
const LINES: &str = "   4: query_of
             at /home/me/desk/OWNrecord/recorder.rs:205:20
   5: <perfdeck::observe::executor::Observed as core::ops::drop::Drop>::drop
             at ./OWNobserve/executor.rs:358:27
   8: {async_block#0}<sqlx_core::query::Query<sqlx_sqlite::database::Sqlite, sqlx_sqlite::arguments::SqliteArguments>>
             at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/async-stream-0.3.6/src/lib.rs:229:62
  16: poll<alloc::boxed::Box<(dyn core::future::future::Future<Output=desk::Row>)>>
             at /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/future/future.rs:133:9
  17: {async_fn#0}<desk::Row>
             at ./src/store.rs:177:61
  18: {async_fn#0}
             at ./src/main.rs:12:5
  18: reading<desk::Row>
             at ./src/main.rs:7:1
  19: call<desk::reading, desk::Row>
             at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/axum-0.8.9/src/handler/mod.rs:7:1
  20: main
             at ./src/main.rs:3:1
";

#[test]
fn where_debug_information_has_only_lines_the_places_tell_whose_a_frame_is() {
    let lines = LINES.replace("OWN", own());
    let expected = [
        (None, at("src/store.rs", 177)),
        (None, at("src/main.rs", 12)),
        (Some("reading".to_owned()), at("src/main.rs", 7)),
    ];
    assert_eq!(told(&lines), expected);
    assert!(read(&lines, HERE).named);
}

#[test]
fn the_runtime_is_known_by_its_files_as_well() {
    let check = |file: &str, expected: Owner| {
        let place = format!("/root/.cargo/registry/src/index.crates.io-19/{file}:7:1");
        assert_eq!(
            owner("poll<desk::Row>", Some(&place), HERE),
            expected,
            "{file}"
        );
    };
    check("tokio-1.54.1/src/runtime/task/core.rs", Owner::Below);
    check("tokio-1.54.1/src/task/local.rs", Owner::Below);
    check("hyper-util-0.1.21/src/rt/tokio.rs", Owner::Below);
    check("tokio-1.54.1/src/time/timeout.rs", Owner::Between);
    check("tokio-1.54.1/src/runtime.rs", Owner::Below);
    check("axum-desk-0.1.0/src/lib.rs", Owner::Between);
}

#[test]
fn a_stripped_binary_has_no_names_though_its_libraries_have() {
    let stack = "   0: <unknown>\n   1: <unknown>\n   2: start_thread\n   3: __clone3\n";
    let nothing = Told {
        frames: Vec::new(),
        named: false,
    };
    assert_eq!(read(stack, HERE), nothing);
    assert_eq!(read("", HERE), nothing);
    assert_eq!(read(" disabled backtrace\n", HERE), nothing);
}

#[test]
fn a_frame_belongs_to_the_crate_of_its_path_its_type_or_its_trait() {
    let check =
        |name: &str, expected: Owner| assert_eq!(owner(name, None, HERE), expected, "{name}");
    for host in [
        "desk::main",
        "<desk::Desk as tower_service::Service<R>>::call",
        "<&mut desk::Desk as core::future::future::Future>::poll",
        "<(dyn desk::Reads + core::marker::Send) as desk::Reads>::read",
        "<T as desk::Reads>::read",
        // Crates that only begin as others do.
        "axum_desk::main",
        "sqlx_models::read",
        "perfdeck_demo::main",
        "_desk::f",
    ] {
        check(host, Owner::Host);
    }
    for between in [
        "core::ops::function::FnOnce::call_once{{vtable.shim}}",
        "<alloc::boxed::Box<F,A> as core::future::future::Future>::poll",
        "<core::pin::Pin<&mut desk::Reading> as core::future::future::Future>::poll",
        "<F as futures_core::future::TryFuture>::try_poll",
        "tokio::time::timeout::Timeout<T>::poll",
        "std::panicking::try",
        "main",
        "_start",
        "<unknown>",
        "str",
        "",
        "::",
        "<<<",
        "<T as ",
    ] {
        check(between, Owner::Between);
    }
    for below in [
        "tokio::runtime::task::harness::poll_future",
        "<axum::routing::route::Route as tower_service::Service<B>>::call",
        "<F as axum::handler::Handler<(M,T1),S>>::call",
        "hyper::proto::h1::dispatch::Dispatcher<D,Bs,I,T>::poll_catch",
        "tokio::task::local::LocalSet::tick",
    ] {
        check(below, Owner::Below);
    }
    let foreign = "/root/.cargo/git/checkouts/orm-1/abc/src/lib.rs:1:1";
    assert_eq!(owner("orm::find", Some(foreign), HERE), Owner::Between);
    assert_eq!(
        owner("orm::find", Some("./orm/src/lib.rs:1:1"), HERE),
        Owner::Host
    );
}

#[test]
fn both_manners_of_naming_closures_are_left_out() {
    let check = |name: &str, expected: &str| assert_eq!(bare(name).as_deref(), Some(expected));
    check("desk::list::{{closure}}", "desk::list");
    check("desk::list::{{closure}}::{{closure}}", "desk::list");
    check("desk::list::{closure#0}", "desk::list");
    check(
        "desk::list::{closure#0}::inner::{closure#3}",
        "desk::list::inner",
    );
    check("desk::{{impl}}::list", "desk::list");
    check("desk::list::{", "desk::list");
    check("desk::list", "desk::list");
}

#[test]
fn three_frames_of_two_hundred_bytes_are_the_most() {
    let deep: String = (0..9)
        .map(|number| {
            let (name, folder) = ("ä".repeat(300), "ü/".repeat(300));
            format!("{number}: desk::f{number}{name}\n at ./{folder}lib.rs:{number}:1\n")
        })
        .collect();
    let frames = told(&deep);
    assert_eq!(frames.len(), 3);
    for (function, place) in frames {
        let (function, (file, line)) = (function.unwrap(), place.unwrap());
        assert!(
            function.len() <= 200 && function.starts_with("desk::f") && function.ends_with('…')
        );
        assert!(file.len() <= 200 && file.starts_with('…') && file.ends_with("/lib.rs"));
        assert!(line < 3);
    }
    assert_eq!(place_of("src/lib.rs:7"), at("src/lib.rs", 7));
    assert_eq!(place_of("/odd:name/lib.rs:7:1"), at("/odd:name/lib.rs", 7));
    assert_eq!(place_of("src/lib.rs"), None);
}
