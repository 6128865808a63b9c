//! The command `fieldscore`.

fn main() -> std::process::ExitCode {
    fieldscore_models::cli::main()
}
