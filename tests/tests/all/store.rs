//! The store: whatever is interrupted, torn or damaged, there is a bundle that opens.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fieldscore_models::keys::Signing;
use fieldscore_runtime::{BundleStore, ErrorKind, FileStorage, Storage};
use fieldscore_tests::fixture::{Parts, key};
use fieldscore_tests::random::Random;
use fieldscore_tests::storage::{Effect, Failing};

/// The fixture's bundle as release number `sequence`.
fn release(sequence: u64) -> Vec<u8> {
    let mut parts = Parts::small(1);
    parts.meta.sequence = sequence;
    parts.with_answers(1).bundle()
}

fn store<S: Storage>(storage: S) -> BundleStore<S> {
    BundleStore::new(storage, "fixture", vec![key().public()])
}

/// A storage in which these releases were installed one after another.
fn installed(releases: &[&[u8]]) -> Failing {
    let mut store = store(Failing::default());
    for bundle in releases {
        store.install(bundle).unwrap();
    }
    store.storage().revived()
}

fn opens(storage: &Failing) -> Result<u64, ErrorKind> {
    store(storage.revived())
        .open()
        .map(|scorer| scorer.meta().sequence)
        .map_err(|e| e.kind())
}

#[test]
fn an_empty_store_says_so() {
    assert_eq!(opens(&Failing::default()), Err(ErrorKind::Empty));
}

#[test]
fn an_update_becomes_current_and_the_one_before_is_kept() {
    let [one, two, three] = [1, 2, 3].map(release);
    let storage = installed(&[&one, &two, &three]);
    assert_eq!(opens(&storage), Ok(3));
    let kept: Vec<&Vec<u8>> = storage
        .names
        .iter()
        .filter(|(name, _)| name.ends_with(".fsb"))
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(kept.len(), 2, "the current one and the one before it");
    assert!(kept.contains(&&two) && kept.contains(&&three));
}

#[test]
fn what_is_current_can_be_installed_again() {
    let two = release(2);
    let storage = installed(&[&two]);
    let mut store = store(storage.revived());
    assert_eq!(store.install(&two).unwrap().meta().sequence, 2);
    assert_eq!(store.storage().names, storage.names);
}

#[test]
fn updates_that_must_not_be_installed_change_nothing() {
    let mut other_product = Parts::small(1);
    other_product.meta.sequence = 9;
    other_product.meta.product = "another".to_owned();
    let mut same_sequence = Parts::small(2);
    same_sequence.meta.sequence = 2;
    let mut bad_answers = Parts::small(1).with_answers(1);
    bad_answers.meta.sequence = 9;
    bad_answers.answers = Parts::small(2).with_answers(1).answers;
    let sections = fieldscore_tests::surgery::sections(&release(9));
    let stranger = Signing::generate().unwrap();
    let foreign = fieldscore_tests::surgery::assemble(&sections, &stranger);
    let mut altered = release(9);
    *altered.last_mut().unwrap() ^= 1;
    let storage = installed(&[&release(1), &release(2)]);
    for (what, bundle, expected) in [
        (
            "another product",
            other_product.bundle(),
            ErrorKind::Refused,
        ),
        ("a lower sequence number", release(1), ErrorKind::Refused),
        (
            "an equal sequence number",
            same_sequence.bundle(),
            ErrorKind::Refused,
        ),
        (
            "a failing self-test",
            bad_answers.bundle(),
            ErrorKind::SelfTest,
        ),
        ("a key that is not pinned", foreign, ErrorKind::UntrustedKey),
        ("an altered byte", altered, ErrorKind::Altered),
        (
            "half a download",
            release(9)[..2000].to_vec(),
            ErrorKind::NotABundle,
        ),
        ("nothing", Vec::new(), ErrorKind::NotABundle),
    ] {
        let mut store = store(storage.revived());
        let error = store.install(&bundle).unwrap_err();
        assert_eq!(error.kind(), expected, "{what}");
        assert_eq!(store.storage().names, storage.names, "{what}");
        assert_eq!(store.open().unwrap().meta().sequence, 2, "{what}");
    }
}

/// Installs `bundle` with a failure at every operation in turn, and looks what then opens.
fn killed_at_every_operation(before: &Failing, bundle: &[u8], allowed: &[Result<u64, ErrorKind>]) {
    for effect in [Effect::None, Effect::Torn, Effect::Whole] {
        let mut operations = 0;
        loop {
            let mut store = store(before.failing_at(operations, effect));
            let done = store.install(bundle);
            let after = store.storage();
            if !after.has_failed() {
                assert!(done.is_ok(), "no operation failed");
                break;
            }
            let found = opens(after);
            assert!(
                allowed.contains(&found),
                "operation {operations}, {effect:?}: {found:?}"
            );
            // Once more, and it is there.
            let mut again = self::store(after.revived());
            assert_eq!(again.install(bundle).unwrap().meta().sequence, 2);
            assert_eq!(again.open().unwrap().meta().sequence, 2);
            operations += 1;
        }
        assert!(
            operations >= 4,
            "reading, two replacements, listing: {operations}"
        );
    }
}

#[test]
fn an_update_killed_anywhere_leaves_the_old_or_the_new() {
    let before = installed(&[&release(1)]);
    killed_at_every_operation(&before, &release(2), &[Ok(1), Ok(2)]);
}

#[test]
fn a_first_installation_killed_anywhere_leaves_nothing_or_the_new() {
    let empty = Failing::default();
    killed_at_every_operation(&empty, &release(2), &[Err(ErrorKind::Empty), Ok(2)]);
}

#[test]
fn a_failing_open_is_an_error_and_harms_nothing() {
    let before = installed(&[&release(1), &release(2)]);
    for at in 0..2 {
        let store = store(before.failing_at(at, Effect::None));
        assert_eq!(store.open().unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(opens(store.storage()), Ok(2));
    }
}

fn damage(storage: &mut Failing, holds: &[u8], how: fn(&mut Vec<u8>)) {
    let found = storage.names.values_mut().find(|bytes| *bytes == holds);
    how(found.expect("stored"));
}

#[test]
fn a_damaged_current_bundle_falls_back_to_the_one_before() {
    let [one, two] = [1, 2].map(release);
    for how in [
        (|bytes| bytes[3000] ^= 1) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(100),
        Vec::clear,
    ] {
        let mut storage = installed(&[&one, &two]);
        damage(&mut storage, &two, how);
        assert_eq!(opens(&storage), Ok(1));
        // And can be installed again.
        let mut store = store(storage.revived());
        assert_eq!(store.install(&two).unwrap().meta().sequence, 2);
    }
}

#[test]
fn a_current_bundle_that_is_gone_falls_back_to_the_one_before() {
    let [one, two] = [1, 2].map(release);
    let mut storage = installed(&[&one, &two]);
    storage.names.retain(|_, bytes| *bytes != two);
    assert_eq!(opens(&storage), Ok(1));
}

#[test]
fn a_damaged_state_is_found_again_from_the_bundles() {
    let [one, two] = [1, 2].map(release);
    for state in [&b""[..], b"\xff\xff", b"\xa0", b"no state"] {
        let mut storage = installed(&[&one, &two]);
        storage.names.insert("state".to_owned(), state.to_vec());
        assert_eq!(opens(&storage), Ok(2), "{state:?}");
        // Nor does it open the way back.
        let mut store = store(storage.revived());
        assert_eq!(store.install(&one).unwrap_err().kind(), ErrorKind::Refused);
    }
}

#[test]
fn both_bundles_damaged_is_an_empty_store_that_takes_a_new_one() {
    let [one, two] = [1, 2].map(release);
    let mut storage = installed(&[&one, &two]);
    for bytes in storage.names.values_mut() {
        bytes.truncate(50);
    }
    assert_eq!(opens(&storage), Err(ErrorKind::Empty));
    let mut store = store(storage);
    assert_eq!(store.install(&two).unwrap().meta().sequence, 2);
    assert_eq!(store.open().unwrap().meta().sequence, 2);
}

#[test]
fn a_store_whose_pinned_key_changed_opens_nothing_it_does_not_trust() {
    let storage = installed(&[&release(1)]);
    let stranger = Signing::generate().unwrap();
    let store = BundleStore::new(storage, "fixture", vec![stranger.public()]);
    assert_eq!(store.open().unwrap_err().kind(), ErrorKind::Empty);
}

fn on_disk(folder: &Path) -> BundleStore<FileStorage> {
    store(FileStorage::new(folder).unwrap())
}

fn files(folder: &Path) -> Vec<String> {
    let mut names = FileStorage::new(folder).unwrap().names().unwrap();
    names.sort();
    names
}

#[test]
fn files_hold_what_was_installed() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("made/as/needed");
    on_disk(&inner).install(&release(1)).unwrap();
    on_disk(&inner).install(&release(2)).unwrap();
    on_disk(&inner).install(&release(3)).unwrap();
    assert_eq!(on_disk(&inner).open().unwrap().meta().sequence, 3);
    assert_eq!(files(&inner).len(), 3, "{:?}", files(&inner));
}

#[test]
fn a_file_left_half_written_disturbs_nobody_and_goes_with_the_next_update() {
    let folder = tempfile::tempdir().unwrap();
    on_disk(folder.path()).install(&release(1)).unwrap();
    let half = &release(2)[..2500];
    for name in ["0123.fsb.part", "state.part"] {
        std::fs::write(folder.path().join(name), half).unwrap();
    }
    assert_eq!(on_disk(folder.path()).open().unwrap().meta().sequence, 1);
    on_disk(folder.path()).install(&release(2)).unwrap();
    assert_eq!(on_disk(folder.path()).open().unwrap().meta().sequence, 2);
    assert!(
        files(folder.path())
            .iter()
            .all(|name| !name.ends_with(".part"))
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_an_io_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    let error = FileStorage::new(file.join("store")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.place().ends_with("store"), "{error}");
}

const CHILD: &str = "FIELDSCORE_TEST_STORE";

/// Not a test of its own: the process that `a_process_killed_at_any_time` kills. Without the
/// variable it installs a few times in a folder of its own.
#[test]
#[ignore = "run by a_process_killed_at_any_time"]
fn installs_in_a_loop() {
    let own = tempfile::tempdir().unwrap();
    let given = std::env::var_os(CHILD);
    let folder = given.as_ref().map_or(own.path(), Path::new);
    let rounds = if given.is_some() { u64::MAX } else { 3 };
    let first = on_disk(folder).open().map_or(0, |s| s.meta().sequence);
    for sequence in (first + 1..).take(usize::try_from(rounds).unwrap_or(usize::MAX)) {
        let scorer = on_disk(folder).install(&release(sequence)).unwrap();
        assert_eq!(scorer.meta().sequence, sequence);
    }
}

#[test]
fn a_process_killed_at_any_time_leaves_a_bundle_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    on_disk(folder.path()).install(&release(1)).unwrap();
    let mut random = Random::new(std::process::id().into());
    let mut last = 1;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::installs_in_a_loop", "--ignored"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(random.whole(20_000, 120_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = on_disk(folder.path()).open().unwrap().meta().sequence;
        assert!(now >= last, "round {round}: from {last} to {now}");
        last = now;
    }
    assert!(last > 1, "no child came to install anything");
}
