/// The file that names a key of the agent where a server expects a private key: the key's name and its public half,
/// nothing secret. The OpenSSL provider reads it (Docs/servers.md).
///
/// ```
/// AgentKey ::= SEQUENCE {
///   version    INTEGER (1),
///   name       UTF8String,
///   socket     UTF8String OPTIONAL,
///   publicKey  SubjectPublicKeyInfo }
/// ```
public enum KeyFile {
    public static let label = "ACME AGENT KEY"

    /// - Parameters:
    ///   - name: The key's name in the agent.
    ///   - socket: The agent's socket, an absolute path; `nil` where readers have to know it.
    ///   - spki: The key's SubjectPublicKeyInfo, DER.
    /// - Returns: PEM.
    public static func encode(name: String, socket: String?, spki: [UInt8]) -> [UInt8] {
        let place = socket.map { DERWriter.element(.utf8String, Array($0.utf8)) } ?? []
        let der = DERWriter.element(
            .sequence, DERWriter.unsignedInteger([1]), DERWriter.element(.utf8String, Array(name.utf8)), place, spki)
        return Array(PEM.encode(der, label: label).utf8)
    }
}
