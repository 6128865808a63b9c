//! The zoo's nets over tables, from field values through the bundle.

use std::path::Path;

use fieldscore_models::data::Table;

use super::families::{opened, output};

#[test]
fn the_zoos_nets_over_tables_give_what_pytorch_gives() {
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo");
    for (name, least) in [("fraud", 0.96), ("market", 0.77)] {
        let folder = zoo.join(name);
        let (built, scorer, applications) = opened(&folder);
        assert!(
            built.summary.discrimination.bundle.auc.value > least,
            "{name}"
        );
        assert_eq!(scorer.self_test().unwrap(), 16);
        let predicted = Table::read(&folder.join("predictions.csv")).unwrap();
        assert_eq!(predicted.rows().len(), applications.len(), "{name}");
        for (application, row) in applications.iter().zip(predicted.rows()) {
            let (ours, theirs) = (output(&scorer, application), row[1].parse::<f64>().unwrap());
            let apart = (ours - theirs).abs() / theirs.abs().max(1.0);
            assert!(apart <= 1e-4, "{name}, {}: {ours} beside {theirs}", &row[0]);
        }
    }
}
