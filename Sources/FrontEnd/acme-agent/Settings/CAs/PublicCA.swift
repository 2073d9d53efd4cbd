import Issuance

/// The public CAs that are known by name. The CAs' own documentation is the source; what they do not publish is left
/// out.
struct PublicCA: Sendable {
    let name: String
    let directory: String
    /// The name of the CA's staging environment in this table.
    var staging: String?
    /// Whether an account needs external account binding (RFC 8555 §7.3.4).
    var needsExternalAccount = false
    /// The issuer's domain name in CAA records (RFC 8659 §4.2) and in those of dns-persist-01.
    let issuerDomain: String
    var limits = CALimits.unknown
    /// The page with the terms or, where they change with each version, that leads to them.
    var terms: String?

    private static let hour: Int64 = 3_600
    private static let week: Int64 = 7 * 86_400

    static let all: [PublicCA] = [
        PublicCA(
            name: "letsencrypt", directory: "https://acme-v02.api.letsencrypt.org/directory", staging: "letsencrypt-staging",
            issuerDomain: "letsencrypt.org",
            limits: CALimits(
                orders: .init(300, seconds: 3 * hour), failedValidations: .init(5, seconds: hour),
                identicalCertificates: .init(5, seconds: week), certificatesPerDomain: .init(50, seconds: week),
                namesPerCertificate: 100),
            terms: "https://letsencrypt.org/repository/"),
        PublicCA(
            name: "letsencrypt-staging", directory: "https://acme-staging-v02.api.letsencrypt.org/directory",
            issuerDomain: "letsencrypt.org",
            limits: CALimits(
                orders: .init(1_500, seconds: 3 * hour), failedValidations: .init(200, seconds: hour),
                identicalCertificates: .init(30_000, seconds: week), namesPerCertificate: 100),
            terms: "https://letsencrypt.org/repository/"),
        PublicCA(
            name: "zerossl", directory: "https://acme.zerossl.com/v2/DV90", needsExternalAccount: true, issuerDomain: "sectigo.com",
            limits: CALimits(namesPerCertificate: 100), terms: "https://zerossl.com/terms/"),
        PublicCA(
            name: "google", directory: "https://dv.acme-v02.api.pki.goog/directory", staging: "google-staging",
            needsExternalAccount: true, issuerDomain: "pki.goog", limits: CALimits(namesPerCertificate: 100),
            terms: "https://pki.goog/repository/"),
        PublicCA(
            name: "google-staging", directory: "https://dv.acme-v02.test-api.pki.goog/directory", needsExternalAccount: true,
            issuerDomain: "pki.goog", limits: CALimits(namesPerCertificate: 100), terms: "https://pki.goog/repository/"),
        // The CA has one directory for each type of key.
        PublicCA(
            name: "sslcom-ecc", directory: "https://acme.ssl.com/sslcom-dv-ecc", needsExternalAccount: true, issuerDomain: "ssl.com",
            terms: "https://www.ssl.com/repository/"),
        PublicCA(
            name: "sslcom-rsa", directory: "https://acme.ssl.com/sslcom-dv-rsa", needsExternalAccount: true, issuerDomain: "ssl.com",
            terms: "https://www.ssl.com/repository/"),
        // Without a paid plan a certificate has one name, and no wildcard.
        PublicCA(
            name: "actalis", directory: "https://acme-api.actalis.com/acme/directory", needsExternalAccount: true,
            issuerDomain: "actalis.it"),
        PublicCA(
            name: "sectigo", directory: "https://acme.sectigo.com/v2/DV", needsExternalAccount: true, issuerDomain: "sectigo.com"),
    ]

    static func named(_ name: String) -> PublicCA? { all.first { $0.name == name } }

    /// The CA where no setting names another. Nothing is ordered there before the user has registered an account.
    static let standard = "letsencrypt"
}
