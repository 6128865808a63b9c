use tract_onnx::prelude::*;
fn main() -> TractResult<()> {
    let m = tract_onnx::onnx().model_for_path(std::env::args().nth(1).unwrap())?;
    let m = m.into_typed()?.into_decluttered()?;
    println!("{m}");
    for n in &m.nodes {
        println!(
            "{} {} {:?} in {:?} out {:?}",
            n.id,
            n.name,
            n.op,
            n.inputs,
            n.outputs.iter().map(|o| o.fact.clone()).collect::<Vec<_>>()
        );
    }
    Ok(())
}
