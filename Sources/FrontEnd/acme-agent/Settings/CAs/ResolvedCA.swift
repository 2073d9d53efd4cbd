import ACME
import Issuance

/// A CA with its settings: a `[[ca]]` of the configuration, a public CA, the one of the configuration's general
/// settings, or just a directory.
struct ResolvedCA: Sendable {
    /// `nil` if no name is known.
    var name: String?
    var directory: ACMEURL
    /// The directory of its staging environment.
    var staging: ACMEURL?
    var settings: CASettings
    /// What is known of it, if it is a public one.
    var preset: PublicCA?

    /// How many authorizations may be pending, as the configuration says.
    var pendingAuthorizations: Int?

    var limits: CALimits {
        var limits = preset?.limits ?? .unknown
        if let pendingAuthorizations { limits.pendingAuthorizations = pendingAuthorizations }
        return limits
    }
    var issuerDomain: String? { preset?.issuerDomain }

    /// The name and the directory, or the directory alone.
    var text: String { name.map { "\($0) (\(directory))" } ?? directory.text }

    /// A public CA as it comes; `nil` if the table has a wrong directory, which a test rules out.
    init?(_ preset: PublicCA, settings: CASettings = CASettings()) {
        guard let directory = try? ACMEURL(preset.directory) else { return nil }
        let staging = preset.staging.flatMap { PublicCA.named($0) }
        self.init(
            name: preset.name, directory: directory, staging: staging.flatMap { try? ACMEURL($0.directory) }, settings: settings,
            preset: preset)
    }

    init(name: String?, directory: ACMEURL, staging: ACMEURL? = nil, settings: CASettings, preset: PublicCA? = nil) {
        self.name = name
        self.directory = directory
        self.staging = staging
        self.settings = settings
        self.preset = preset
    }
}

/// Where a certificate is ordered.
struct CertificateCAs: Sendable {
    var first: ResolvedCA
    /// The CA that a renewal falls back to.
    var second: ResolvedCA?
}
