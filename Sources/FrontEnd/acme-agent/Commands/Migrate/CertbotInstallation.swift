import ACME
import CertificateStore
import JOSE

/// certbot's folder: `renewal/NAME.conf` says how `live/NAME` is renewed, `renewal-hooks` has programs for all.
enum CertbotInstallation {
    /// What a script that reads the private key contains: the file's name.
    private static let keyWords = ["privkey"]
    private static let longestChain = 256 * 1024
    private static let parameters = ["renewalparams"]

    static func read(_ folder: ForeignFolder) throws(ForeignFault) -> ForeignInstallation {
        var found = ForeignInstallation()
        for name in try folder.names(in: "renewal") where name.hasSuffix(".conf") {
            found.add("renewal/\(name)") { () throws(ForeignFault) in try certificate(String(name.dropLast(5)), folder) }
        }
        for kind in ["pre", "deploy", "post"] {
            let place = "renewal-hooks/\(kind)"
            do throws(ForeignFault) {
                for name in try folder.names(in: place) where !name.hasSuffix("~") && !name.hasPrefix(".") {
                    found.hooks.append(ForeignHook(kind, "\(folder.path)/\(place)/\(name)", keyWords: keyWords))
                }
            } catch { found.damaged.append((place, error)) }
        }
        for index in found.certificates.indices where !found.certificates[index].hooks.contains(where: { $0.kind == "pre" }) {
            found.certificates[index].checkPreHooks(found.hooks)
        }
        return found
    }

    private static func certificate(_ name: String, _ folder: ForeignFolder) throws(ForeignFault) -> ForeignCertificate? {
        let path = "renewal/\(name).conf"
        guard let text = try folder.text(path, limit: ForeignInstallation.longestFile) else { return nil }
        let file = try ConfigObjFile(text)
        guard file.sections[parameters] != nil else { throw ForeignFault("has no section [renewalparams]") }
        let own = file.value("cert", in: []).flatMap { folder.relative($0) } ?? "live/\(name)/cert.pem"
        let pem: [UInt8]?
        do throws(ForeignFault) { pem = try folder.read(own, limit: longestChain) } catch { throw ForeignFault("\(own) \(error.reason)") }
        guard let pem else { throw ForeignFault("its certificate \(own) does not exist") }
        let (names, keyType) = try ForeignInstallation.content(pem)
        var certificate = ForeignCertificate(
            source: "\(folder.path)/\(path)", name: try? CertificateName(name.lowercased()), names: names, keyType: keyType)
        func value(_ key: String) -> String? { file.value(key, in: parameters) }
        addCA(value("server"), to: &certificate)
        addKeyType(&certificate, value)
        addWays(&certificate, file)
        addSettings(&certificate, value)
        for (key, kind) in [
            ("pre_hook", "pre"), ("renew_hook", "deploy"), ("deploy_hook", "deploy"), ("post_hook", "post"),
        ] {
            if let command = value(key) { certificate.hooks.append(ForeignHook(kind, command, keyWords: keyWords)) }
        }
        return certificate
    }

    /// The directory of Let's Encrypt before ACME had an RFC.
    private static let firstVersion = "https://acme-v01.api.letsencrypt.org/directory"

    private static func addCA(_ server: String?, to certificate: inout ForeignCertificate) {
        // certbot's default, which it does not always write.
        let text = server == nil || server == firstVersion ? PublicCA.named(PublicCA.standard)?.directory : server
        guard let text, let directory = try? ACMEURL(text) else {
            certificate.decisions.append("The CA's directory in \"server\" is no https URL: set ca.")
            return
        }
        certificate.ca = .directory(directory)
    }

    private static func addKeyType(_ certificate: inout ForeignCertificate, _ value: (String) -> String?) {
        switch value("key_type") {
        case "rsa"?:
            if let size = value("rsa_key_size") { certificate.addKeyType("RSA-\(size)", called: "RSA with \(size) bits") }
        case "ecdsa"?:
            if let curve = value("elliptic_curve") {
                let known = ["secp256r1": "P-256", "secp384r1": "P-384"][curve]
                certificate.addKeyType(known ?? "", called: "the curve \(curve)")
            }
        default: break
        }
    }

    private static func addSettings(_ certificate: inout ForeignCertificate, _ value: (String) -> String?) {
        if let profile = value("required_profile") ?? value("preferred_profile") {
            certificate.settings.append(.init("profile", .text(profile)))
        }
        if let chain = value("preferred_chain") { certificate.settings.append(.init("preferred-chain", .text(chain))) }
        if value("must_staple") == "True" { certificate.addMustStaple() }
        if value("autorenew") == "False" { certificate.notes.append("certbot did not renew it by itself (autorenew = False).") }
        if let installer = value("installer") {
            certificate.notes.append(
                "certbot changed the configuration of \(installer) for it; `acme-agent deploy` prints what the server needs now.")
        }
    }

    private static func addWays(_ certificate: inout ForeignCertificate, _ file: ConfigObjFile) {
        func value(_ key: String) -> String? { file.value(key, in: parameters) }
        // Earlier versions wrote PLUGIN:NAME.
        let full = value("authenticator") ?? ""
        let authenticator = full.split(separator: ":").last.map(String.init) ?? full
        switch authenticator {
        case "standalone":
            let port = value("http01_port").flatMap { UInt16($0) } ?? ChallengeMethod.standardPort
            let address = value("http01_address").map { $0.contains(":") ? "[\($0)]" : $0 } ?? "*"
            certificate.ways = [.init(names: certificate.names, settings: [.init("http01-address", .text("\(address):\(port)"))])]
        case "webroot": addWebroots(&certificate, file)
        case "manual": addManual(&certificate, value)
        case "nginx", "apache":
            certificate.decisions.append(
                "certbot's plugin \(authenticator) changed the running server to prove names. Set webroot to a folder that the server "
                    + "serves as /.well-known/acme-challenge/ over plain HTTP, or see \"Port 80\" and \"Port 443\" in operations.md.")
            certificate.ways = [.init(names: certificate.names, settings: [.init("webroot", .text("/var/www/html"))])]
        case "dns-rfc2136":
            let file = value("dns_rfc2136_credentials") ?? "certbot's credentials file"
            certificate.decisions.append(
                "The TSIG key is in \(file), in certbot's own form: write it by hand to a key file as tsig-keygen makes it, which "
                    + "dns-key names.")
            certificate.addDNS([.init("dns-update", .text("auto")), .init("dns-key", .text("/etc/acme-agent/update.key"))], wait: nil)
        case _ where authenticator.hasPrefix("dns-"):
            let prefix = authenticator.map { $0 == "-" ? "_" : String($0) }.joined()
            let file = value("\(prefix)_credentials").map { "; its credentials are in \($0)" } ?? ""
            certificate.decisions.append(
                "There is nothing built in for certbot's plugin \(authenticator)\(file). Use a hook for the provider (those of acme.sh "
                    + "run by \(Deployment.sharedFolder)/acme-agent/dns-hooks/acme-sh) and give it the credentials by hand, or dns-update, or "
                    + "dns-persist.")
            let wait = value("\(prefix)_propagation_seconds").flatMap { Int($0) }
            certificate.addDNS([.init("dns-hook", .text("/etc/acme-agent/dns-hook"))], wait: wait)
        default:
            certificate.decisions.append(
                authenticator.isEmpty
                    ? "certbot does not say how it proved the names: set a way to answer challenges."
                    : "There is nothing like certbot's plugin \(authenticator): set a way to answer challenges.")
        }
    }

    /// Each name's folder is in `[[webroot_map]]`; names without one have the last folder of `webroot_path`.
    private static func addWebroots(_ certificate: inout ForeignCertificate, _ file: ConfigObjFile) {
        let map = file.sections[parameters + ["webroot_map"]] ?? [:]
        let common = file.values("webroot_path", in: parameters).last
        var folders: [(folder: String, names: [Identifier])] = []
        for name in certificate.names {
            let own = map.first { key, _ in (try? Identifier(argument: key)) == name }?.value.first ?? common
            guard let own, own.hasPrefix("/"), !own.utf8.contains(0) else {
                certificate.decisions.append("The webroot of \(name) is not known, or no absolute path: set webroot.")
                continue
            }
            if let index = folders.firstIndex(where: { $0.folder == own }) {
                folders[index].names.append(name)
            } else {
                folders.append((own, [name]))
            }
        }
        certificate.ways = folders.map { .init(names: $0.names, settings: [.init("webroot", .text($0.folder))]) }
    }

    private static func addManual(_ certificate: inout ForeignCertificate, _ value: (String) -> String?) {
        guard let hook = value("manual_auth_hook") else {
            certificate.decisions.append("Its names were proven by hand: set a way to answer challenges.")
            return
        }
        let preferred = value("pref_challs") ?? ""
        guard preferred.hasPrefix("dns") || (preferred.isEmpty && certificate.names.contains(where: \.isWildcard)) else {
            certificate.decisions.append(
                "certbot called \(TOMLText.string(hook)) for http-01. acme-agent answers http-01 itself: set webroot or http01-address.")
            return
        }
        var settings = [ForeignCertificate.Setting("dns-hook", .text(hook)), .init("hook-protocol", .text("certbot"))]
        let cleanup = value("manual_cleanup_hook")
        if let cleanup { settings.append(.init("dns-cleanup-hook", .text(cleanup))) }
        certificate.addForeignHooks([hook, cleanup].compactMap(\.self))
        certificate.addDNS(settings, wait: nil)
    }
}

extension ForeignCertificate {
    /// - Parameter text: as key-type takes it.
    mutating func addKeyType(_ text: String, called name: String) {
        guard let known = try? KeyAlgorithm(argument: text) else {
            notes.append("Its key has \(name), which is no key type here: the next key has the default type.")
            keyType = nil
            return
        }
        keyType = known
    }

    mutating func addMustStaple() {
        settings.append(.init("must-staple", .flag(true), isProposal: true))
        notes.append("It requests must-staple, which many CAs refuse by now.")
    }

    /// - Parameter wait: seconds.
    mutating func addDNS(_ settings: [Setting], wait: Int?) {
        var settings = settings
        if let wait, wait > 0 {
            settings.append(.init("dns-wait-seconds", .number(min(wait, CertificateSettings.dnsWaitRange.upperBound))))
        }
        ways.append(Way(names: names, settings: settings, isDNS: true))
    }

    /// Programs that prove names are run only after somebody has looked at them.
    mutating func addForeignHooks(_ commands: [String]) {
        let isPlain = commands.allSatisfy { ForeignHook("dns", $0, keyWords: []).isProgram }
        decisions.append(
            isPlain
                ? "It runs \(Wording.list(commands)) to prove its names: uncomment the part after you have looked at it."
                : "It ran \(Wording.list(commands.map(TOMLText.string))) in a shell to prove its names; acme-agent runs a program by its "
                    + "absolute path: put the commands into a script.")
    }
}
