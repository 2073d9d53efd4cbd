import BuildInformation

/// The version of the programs, as reported by `--version` and the interface.
public enum AgentVersion {
    public static let current = BuildInformation.version
}
