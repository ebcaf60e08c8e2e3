use std::fs;

use crate::bench::Bench;

#[tokio::test]
async fn rclone_finds_and_renews_the_listings_of_folders_with_odd_paths() {
    let mut bench = Bench::new().await;
    for name in [
        "with space",
        "ü 漢",
        "co:lon",
        "br{ac}e*s?",
        "tr ail ",
        "a..b",
        "tab\there",
    ] {
        let mirror = bench.scratch.path().join(name);
        fs::rename(&bench.run.mirror, &mirror).unwrap();
        bench.run.mirror = mirror;
        for file in fs::read_dir(&bench.run.workdir).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        bench.list_what_is_equal();
        let done = bench.cycle().await;
        assert!(done.is_ok(), "{name:?}: {done:?}");
    }
}
