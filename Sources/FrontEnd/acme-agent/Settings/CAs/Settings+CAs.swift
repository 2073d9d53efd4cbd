import ACME
import CertificateStore

extension Settings {
    /// What the command line chooses, else the environment, the configuration and the default.
    static func ca(_ options: GlobalOptions, _ environment: Environment, _ configured: SettingsFile) throws -> ResolvedCA {
        let ca = try chosen(options, environment, configured)
        guard options.staging else { return ca }
        guard let staging = ca.staging else {
            throw Failure.usage(
                "no staging environment of \(ca.text) is known", hint: "staging-directory in its [[ca]] part of the configuration names it")
        }
        return configured.cas.at(staging) ?? ResolvedCA(name: nil, directory: staging, settings: CASettings())
    }

    private static func chosen(_ options: GlobalOptions, _ environment: Environment, _ configured: SettingsFile) throws -> ResolvedCA {
        let cas = configured.cas
        if let name = options.ca { return try named(name, "--ca", .usage, cas) }
        if let url = options.directory { return try at(url, "--directory", .usage, cas) }
        if environment.ca != nil, environment.directory != nil {
            throw Failure.configuration("ACME_CA and ACME_DIRECTORY both name the CA", hint: "unset one of them")
        }
        if let name = environment.ca { return try named(name, "ACME_CA", .configuration, cas) }
        if let url = environment.directory { return try at(url, "ACME_DIRECTORY", .configuration, cas) }
        if let ca = configured.defaultCA { return ca }
        if let directory = configured.ca.directory { return known(directory, cas) }
        return try named(PublicCA.standard, "the default CA", .configuration, cas)
    }

    private static func named(_ name: String, _ source: String, _ status: ExitStatus, _ cas: NamedCAs) throws(Failure) -> ResolvedCA {
        guard let ca = cas.named(name) else {
            let hint =
                name.hasPrefix("https://")
                ? "--directory takes a CA's URL" : "there are: \(cas.names); a [[ca]] part of the configuration adds one"
            throw Failure("usage", status, "\(source) \"\(TerminalText.safe(name, limit: 80))\" is no CA that is known here", hint: hint)
        }
        return ca
    }

    private static func at(_ text: String, _ source: String, _ status: ExitStatus, _ cas: NamedCAs) throws(Failure) -> ResolvedCA {
        do { return known(try ACMEURL(text), cas) } catch {
            let hint = cas.named(text) == nil ? nil : "--ca \(text)"
            throw Failure("usage", status, "\(source) \"\(TerminalText.safe(text, limit: 200))\" is refused: \(error)", hint: hint)
        }
    }

    private static func known(_ directory: ACMEURL, _ cas: NamedCAs) -> ResolvedCA {
        cas.at(directory) ?? ResolvedCA(name: nil, directory: directory, settings: CASettings())
    }

    /// With the configuration's settings for it.
    func resolved(_ ca: ResolvedCA) -> ResolvedCA {
        var ca = ca
        ca.settings = self.ca(at: ca.directory)
        return ca
    }

    /// The CA with a directory, with its name if it has one.
    func knownCA(at directory: ACMEURL) -> ResolvedCA { resolved(Settings.known(directory, cas)) }

    /// Where a certificate is ordered. The command line and the environment override its own setting, and that overrides
    /// the general one.
    /// - Parameter name: the certificate's.
    func cas(of name: String) -> CertificateCAs {
        let own = ownSettings(name)
        func resolved(_ name: String?) -> ResolvedCA? { name.flatMap { cas.named($0) }.map { self.resolved($0) } }
        let first = isCAChosen ? ca : resolved(own.ca) ?? ca
        let second = resolved(own.secondCA) ?? secondCA.map { self.resolved($0) }
        return CertificateCAs(first: first, second: second?.directory == first.directory ? nil : second)
    }
}
