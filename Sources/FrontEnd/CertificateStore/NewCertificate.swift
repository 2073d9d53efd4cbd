import ACME

/// A chain as received from a CA, with everything that it must match.
public struct NewCertificate: Sendable {
    public var name: CertificateName
    /// `application/pem-certificate-chain` (RFC 8555 §9.1), as received.
    public var pem: [UInt8]
    /// The agent's key: its name, and its URI if known.
    public var key: KeyName
    public var keyURI: String?
    /// The agent key's SubjectPublicKeyInfo, DER.
    public var spki: [UInt8]
    /// As ordered.
    public var identifiers: [Identifier]
    /// Whether it may also have names that are neither DNS names nor IP addresses.
    public var ignoresOtherNames: Bool
    /// The CA that renews it; `nil` if no ACME CA does.
    public var directory: ACMEURL?
    public var account: ACMEURL?
    public var order: ACMEURL?
    /// The URL from which it was downloaded.
    public var certificate: ACMEURL?
    public var profile: String?
    /// Now, Unix seconds.
    public var time: Int64
    /// Whether it is in use as soon as it is installed, because there is no hook to run.
    public var isDeployed: Bool

    public init(
        name: CertificateName, pem: [UInt8], key: KeyName, keyURI: String? = nil, spki: [UInt8], identifiers: [Identifier],
        ignoresOtherNames: Bool = false, directory: ACMEURL?,
        account: ACMEURL? = nil, order: ACMEURL? = nil, certificate: ACMEURL? = nil, profile: String? = nil, time: Int64,
        isDeployed: Bool = false
    ) {
        self.name = name
        self.pem = pem
        self.key = key
        self.keyURI = keyURI
        self.spki = spki
        self.identifiers = identifiers
        self.ignoresOtherNames = ignoresOtherNames
        self.directory = directory
        self.account = account
        self.order = order
        self.certificate = certificate
        self.profile = profile
        self.time = time
        self.isDeployed = isDeployed
    }
}
