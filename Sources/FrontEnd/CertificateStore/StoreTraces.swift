/// What is stored under a certificate's name.
public struct StoreTraces: Hashable, Sendable {
    /// Whether there is a folder, with or without a certificate.
    public var certificate: Bool
    /// Whether there is a certificate, readable or not.
    public var isInstalled: Bool
    public var order: Bool
    /// Whether a certificate is awaited.
    public var request: Bool

    public init(certificate: Bool, isInstalled: Bool, order: Bool, request: Bool = false) {
        self.request = request
        self.certificate = certificate
        self.isInstalled = isInstalled
        self.order = order
    }
}
