pub fn run(_names: &[String]) -> anyhow::Result<()> {
    Ok(())
}
