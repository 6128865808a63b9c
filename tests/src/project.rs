//! A small project in a folder of its own: recipe, data, model; to be spoiled by tests.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use fieldscore_models::build::{Built, build};
use fieldscore_models::keys::Signing;

use crate::onnx::Onnx;
use crate::random::Random;

/// The recipe that tests change.
pub const RECIPE: &str = r#"
[product]
id = "small"
sequence = 3
name = { en = "Small" }
purpose = { en = "To be spoiled by tests." }
not_before = 2026-01-01

[texts]
languages = ["en"]

[model]
file = "model.onnx"
output = "logit"
features = ["a", "b", "home"]

[data]
file = "data.csv"
id = "id"
label = { column = "status", bad = "bad" }
groups = { region = {} }

[split]
seed = 1

[compile]
calibration_rows = 200

[score]
base_score = 600
base_odds = 1.0
points_to_double_odds = 50
floor = 300
ceiling = 900

[policy]
approve_from = 580
refer_from = 520

[features.a]
from = "a"
encode = "standardise"
mean = 50.0
std = 30.0

[features.b]
from = "b"
impute = 0.5

[features.home]
from = "home"
encode = "one_hot"

[groups.money]
code = "G1"
fields = ["a", "b"]
label = { en = "Money" }

[groups.home]
code = "G2"
fields = ["home"]
label = { en = "Home" }

[fields.a]
type = "integer"
range = [0, 100]
missing = "refuse"
out_of_range = "refuse"
sensitivity = "personal"
changeable = true
label = { en = "A" }
reason = { code = "R1", text = { en = "A counts" } }

[fields.b]
type = "decimal"
decimals = 2
range = [0, 1]
sensitivity = "personal"
changeable = true
label = { en = "B" }
reason = { code = "R2", text = { en = "B counts" } }

[fields.home]
type = "category"
sensitivity = "personal"
changeable = false
label = { en = "Home" }
reason = { code = "R3", text = { en = "Home counts" } }

[fields.home.categories]
own = { en = "Owns" }
rent = { en = "Rents" }
"#;

/// A folder with `recipe.toml`, `data.csv` and `model.onnx`, removed when dropped by its owner.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// A sound project in `folder`.
    pub fn new(folder: &Path) -> Self {
        let project = Self {
            folder: folder.to_owned(),
        };
        project.write("recipe.toml", RECIPE);
        project.write("data.csv", data(600));
        project.write("model.onnx", model().finish(&[1]));
        project
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one of its files.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.folder.join(name), bytes).expect("a writable folder");
    }

    /// Replaces text of the recipe, which must be there.
    pub fn change(&self, from: &str, to: &str) {
        let recipe = std::fs::read_to_string(self.folder.join("recipe.toml")).expect("a recipe");
        assert!(recipe.contains(from), "{from}");
        self.write("recipe.toml", recipe.replacen(from, to, 1));
    }

    /// Builds it.
    ///
    /// # Errors
    /// As [`build`].
    pub fn build(&self) -> fieldscore_models::Result<Built> {
        build(&self.folder, &Signing::development(), &mut |_| {})
    }

    /// Why it does not build.
    pub fn error(&self) -> fieldscore_models::Error {
        match self.build() {
            Ok(_) => panic!("it builds"),
            Err(error) => error,
        }
    }
}

/// Labelled rows in which `a` and `b` count for a loan, and tenants fare worse.
pub fn data(rows: usize) -> String {
    let mut random = Random::new(5);
    let mut out = "id,status,region,a,b,home\n".to_owned();
    for id in 1..=rows {
        let (a, b) = (random.whole(0, 100), random.whole(0, 100));
        let rents = random.once_in(2);
        let odds = (50 - a) as f32 / 15.0 + (50 - b) as f32 / 30.0 + if rents { 0.5 } else { -0.5 };
        let bad = random.float(0.0, 1.0) < 1.0 / (1.0 + (-odds).exp());
        let status = if bad { "bad" } else { "good" };
        let region = ["north", "south"][id % 2];
        let b = if random.once_in(20) {
            String::new()
        } else {
            format!("0.{b:02}").replace("0.100", "1.00")
        };
        let home = if rents { "rent" } else { "own" };
        writeln!(out, "{id},{status},{region},{a},{b},{home}").expect("text");
    }
    out
}

/// A net of twelve hidden units that knows how [`data`] came about.
pub fn model() -> Onnx {
    let mut random = Random::new(6);
    let hidden = 12;
    // Inputs: a standardised, b, own, rent.
    let truth = [-2.0, -3.3, -0.5, 0.5];
    let mut first = vec![0.0; 4 * hidden];
    let mut second = vec![0.0; hidden];
    for n in 0..hidden {
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        for k in 0..4 {
            first[k * hidden + n] = sign * truth[k] / 4.0 + random.float(-0.02, 0.02);
        }
        second[n] = sign * 8.0 / hidden as f32;
    }
    let bias: Vec<f32> = (0..hidden)
        .map(|n| if n % 2 == 0 { 0.42 } else { -0.4 } + random.float(-0.1, 0.1))
        .collect();
    Onnx::new(4)
        .dense("hidden", &first, &bias)
        .node("relu", "Relu", &[])
        .dense("output", &second, &[0.0])
}
