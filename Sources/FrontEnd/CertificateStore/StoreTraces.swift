/// Whether anything is kept under a certificate's name.
public struct StoreTraces: Hashable, Sendable {
    /// A folder, with a certificate in it or without.
    public var certificate: Bool
    /// A certificate, readable or not.
    public var isInstalled: Bool
    public var order: Bool

    public init(certificate: Bool, isInstalled: Bool, order: Bool) {
        self.certificate = certificate
        self.isInstalled = isInstalled
        self.order = order
    }
}
