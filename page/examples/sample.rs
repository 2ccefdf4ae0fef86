//! The page with something of everything on it, to be looked at: `cargo run -p page --example sample`.

#![allow(clippy::unwrap_used, reason = "nobody relies on it")]

#[path = "../tests/sample/mod.rs"]
mod sample;

#[tokio::main]
async fn main() {
    let listen = std::env::args().nth(1);
    let listen = listen.unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let overview = match std::env::args().nth(2).as_deref() {
        Some("quiet") => sample::quiet,
        _ => sample::overview,
    };
    let served = sample::serve(sample::settings(&listen), overview).await;
    println!(
        "http://localhost:{}/ with the token {:?}",
        served.port,
        sample::TOKEN
    );
    std::future::pending::<()>().await;
}
