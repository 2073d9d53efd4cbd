/// What a CA publishes about how much it takes from one account. A CA counts what other programs order with the same
/// account or for the same names too, so that these are upper bounds.
public struct CALimits: Sendable, Equatable {
    /// At most so many in a time.
    public struct Rate: Sendable, Equatable {
        public var count: Int
        public var seconds: Int64

        public init(_ count: Int, seconds: Int64) {
            self.count = count
            self.seconds = seconds
        }
    }

    /// New orders.
    public var orders: Rate?
    /// Failed validations of one name.
    public var failedValidations: Rate?
    /// Certificates for exactly the same names.
    public var identicalCertificates: Rate?
    /// Certificates with names of one registered domain.
    public var certificatesPerDomain: Rate?
    public var namesPerCertificate: Int?
    /// Authorizations that may be pending at the same time.
    public var pendingAuthorizations: Int?

    /// - Parameters: `nil` for what the CA does not limit, or does not publish.
    public init(
        orders: Rate? = nil, failedValidations: Rate? = nil, identicalCertificates: Rate? = nil, certificatesPerDomain: Rate? = nil,
        namesPerCertificate: Int? = nil, pendingAuthorizations: Int? = nil
    ) {
        self.orders = orders
        self.failedValidations = failedValidations
        self.identicalCertificates = identicalCertificates
        self.certificatesPerDomain = certificatesPerDomain
        self.namesPerCertificate = namesPerCertificate
        self.pendingAuthorizations = pendingAuthorizations
    }

    /// Nothing is known.
    public static let unknown = CALimits()
}
