/// A configured token: what the helper must load and log in to.
public struct TokenConfiguration: Hashable, Sendable {
    /// The configured name, by which keys refer to it.
    public var name: String
    /// Absolute path of the PKCS#11 module.
    public var module: String
    /// RFC 7512 URI that matches exactly one token.
    public var uri: String
    /// The file with the user PIN, read only by the helper; `nil` for no login.
    public var pinSource: String?
    /// Number of sessions that sign concurrently.
    public var pool: Int
    /// MiB of memory beyond which the helper is replaced, if it has grown by a quarter since the token was opened.
    public var helperMebibytes: Int
    /// Where the helper records each try of a PIN.
    public var stateDirectory: String
    /// The helper's environment, for the module.
    public var environment: [String: String]

    public init(
        name: String, module: String, uri: String, pinSource: String?, pool: Int, helperMebibytes: Int = 1024, stateDirectory: String,
        environment: [String: String] = [:]
    ) {
        self.name = name
        self.module = module
        self.uri = uri
        self.pinSource = pinSource
        self.pool = pool
        self.helperMebibytes = helperMebibytes
        self.stateDirectory = stateDirectory
        self.environment = environment
    }
}
