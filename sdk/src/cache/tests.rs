use super::*;

#[test]
fn a_clear_can_be_undone() {
    let caches = Caches::new(true);
    let space = caches.namespace("analytics");
    space.insert(&1, 1);
    assert_eq!(caches.rows()[0].entries, 1);
    let cleared = caches.clear("analytics").unwrap();
    assert_eq!(caches.rows()[0].entries, 0);
    caches.restore(&cleared).unwrap();
    assert_eq!(caches.rows()[0].entries, 1);
}
