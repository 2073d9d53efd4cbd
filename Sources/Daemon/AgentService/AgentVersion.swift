/// The version of the programs, as `--version` and the interface say it.
public enum AgentVersion {
    public static let current = "0.1.0"
}
