pub fn list() -> anyhow::Result<()> {
    Ok(())
}
pub fn run(_names: &[String]) -> anyhow::Result<()> {
    Ok(())
}
