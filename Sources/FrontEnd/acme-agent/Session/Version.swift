import BuildInformation

/// The program's name and version.
enum Version {
    static let number = BuildInformation.version
    static let text = "acme-agent \(number)"
    /// Tells a CA's operator which client is asking (RFC 8555 §6.1).
    static let userAgent = "acme-agent/\(number) (+https://github.com/acme-agent/acme-agent)"
}
