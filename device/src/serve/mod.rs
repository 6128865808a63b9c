//! `fieldscore-device serve`: the form on this machine only. Bundles come and records go as files.

mod bundles;
mod disk;
mod events;
mod http;
mod records;
mod server;
mod site;
mod summaries;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fieldscore_cli::keys::read_public;
use fieldscore_cli::{Error, Exit, Result, Sink, say};

use bundles::Bundles;
use events::Events;
use http::Door;
use records::Records;
use server::Server;
use site::Site;
use summaries::Summaries;
use watch::Watch;

/// Put the form on this machine, take bundles from files, give records as files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  fieldscore-device serve --key lender.pem --product credit --data /var/lib/fieldscore \\
      --watch /media/usb --bundle credit.fsb

The address is 127.0.0.1 only, and is printed on stdout once the form is there.

Into the watched folder: PRODUCT.fsb, signed by a pinned key, of this product, with a higher sequence
number. Out of it: records, into its folder `fieldscore-records`, which whoever prepares the stick
makes; without that folder nothing is written to it. In the same way summaries, into its folder
`fieldscore-summaries`: counts of at least 20 decisions, which name nobody.

GET /kiosk/status says what is installed, how many records wait, and whether the disk takes more.")]
pub struct ServeArgs {
    /// Public key of whoever may sign bundles; may be given several times
    #[arg(long = "key", value_name = "PUBLIC.pem", required = true)]
    keys: Vec<PathBuf>,
    /// The product whose bundles are installed
    #[arg(long, value_name = "NAME")]
    product: String,
    /// Where bundles and records are kept
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder that bundles arrive in and records leave through: where a USB stick appears
    #[arg(long, value_name = "DIR")]
    watch: Option<PathBuf>,
    /// A bundle to install at start, if it is newer than what is installed
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The form's files [default: those that were built in]
    #[arg(long, value_name = "DIR")]
    form: Option<PathBuf>,
    /// The port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8321)]
    port: u16,
    /// How often the watched folder is looked at
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    every: Duration,
    /// For how many days a record is kept here after it was exported
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    keep_days: u32,
}

fn seconds(text: &str) -> std::result::Result<Duration, &'static str> {
    let wrong = "expected seconds from 0.05 to 3600";
    let seconds: f64 = text.parse().map_err(|_| wrong)?;
    match (0.05..=3600.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(wrong),
    }
}

/// What all threads share.
struct Kiosk {
    site: Site,
    door: Door,
    bundles: Bundles,
    records: Records,
    summaries: Summaries,
    events: Events,
    watch: Option<Watch>,
}

/// Serves until the process ends.
///
/// # Errors
/// Where a key, the form or the data folder cannot be read, another process uses the data folder,
/// or the port is taken.
pub fn run(args: ServeArgs) -> Result<Exit> {
    let keys = args
        .keys
        .iter()
        .map(|key| read_public(key))
        .collect::<Result<Vec<_>>>()?;
    let site = Site::load(args.form.as_deref())?;
    let events = Events::default();
    let records = Records::open(&args.data, args.keep_days)?;
    if let Err(fault) = records.probe() {
        events.add("data", fault.code(), fault.advice());
    }
    let bundles = Bundles::open(&args.data.join("bundles"), &args.product, keys)?;
    if let Some(path) = &args.bundle {
        bundles.take_file(path, &events)?;
    }
    if bundles.current().is_none() {
        let text = "no bundle is installed yet: bring one in the watched folder, or with --bundle";
        events.add("bundle", "store.empty", text);
    }
    let summaries = Summaries::open(&args.data, &bundles)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let taken = |e: std::io::Error| {
        Error::input(format!("address {address}"), format!("a free port ({e})"))
            .hint("--port takes another one")
    };
    let server = Server::bind(address).map_err(taken)?;
    let address = server.address().map_err(taken)?;
    let kiosk = Arc::new(Kiosk {
        site,
        door: Door::new(address.port()),
        bundles,
        records,
        summaries,
        events,
        watch: args.watch.map(Watch::new),
    });
    Sink::stdout().print(&format!("http://{address}/\n"))?;
    if let Some((meta, _)) = kiosk.bundles.meta() {
        say::note(format!(
            "product {}, sequence {}",
            meta.product, meta.sequence
        ));
    }
    let shared = Arc::clone(&kiosk);
    std::thread::spawn(move || server.run(shared));
    loop {
        watch::look(&kiosk);
        std::thread::sleep(args.every);
    }
}
