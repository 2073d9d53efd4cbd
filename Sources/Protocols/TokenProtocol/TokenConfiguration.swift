/// A token as it is configured: what the helper has to load and to log in to.
public struct TokenConfiguration: Hashable, Sendable {
    /// The configured name, by which keys refer to it.
    public var name: String
    /// Absolute path of the PKCS#11 module.
    public var module: String
    /// RFC 7512 URI that fits exactly one token.
    public var uri: String
    /// The file with the user PIN, read by the helper alone; `nil` for no login.
    public var pinSource: String?
    /// Sessions that sign side by side.
    public var pool: Int
    /// Where the helper remembers the PIN that was refused.
    public var stateDirectory: String
    /// The helper's environment: what the module reads.
    public var environment: [String: String]

    public init(
        name: String, module: String, uri: String, pinSource: String?, pool: Int, stateDirectory: String,
        environment: [String: String] = [:]
    ) {
        self.name = name
        self.module = module
        self.uri = uri
        self.pinSource = pinSource
        self.pool = pool
        self.stateDirectory = stateDirectory
        self.environment = environment
    }
}
