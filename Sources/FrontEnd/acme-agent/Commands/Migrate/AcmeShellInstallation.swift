import ACME
import CertificateStore
import JOSE

/// The folder of acme.sh: `NAME/NAME.conf` for each certificate, `NAME_ecc/NAME.conf` for one with an EC key, and
/// `account.conf`. acme.sh has a shell evaluate them; here they are read.
enum AcmeShellInstallation {
    private static let ecc = "_ecc"
    private static let accountFile = "account.conf"

    static func read(_ folder: ForeignFolder) throws(ForeignFault) -> ForeignInstallation {
        var found = ForeignInstallation(), account = AcmeShellFile()
        do throws(ForeignFault) {
            if let text = try folder.text(accountFile, limit: ForeignInstallation.longestFile) { account = try AcmeShellFile(text) }
        } catch {
            account.isUnread = true
            found.damaged.append((accountFile, error))
        }
        for name in try folder.names() where !name.hasPrefix(".") {
            let base = name.hasSuffix(ecc) ? String(name.dropLast(ecc.count)) : name
            // Most folders are no certificate's, and whoever may write to them does not matter.
            guard folder.hasEntry("\(name)/\(base).conf") else { continue }
            found.add("\(name)/\(base).conf") { () throws(ForeignFault) in
                try certificate("\(name)/\(base).conf", account, folder)
            }
        }
        if let home = try? account.value("CERT_HOME"), home != folder.path {
            found.notes.append("account.conf says that certificates are in \(home) too: acme-agent migrate acme.sh FOLDER reads it.")
        }
        return found
    }

    private static func certificate(
        _ path: String, _ account: AcmeShellFile, _ folder: ForeignFolder
    ) throws(ForeignFault) -> ForeignCertificate? {
        guard let text = try folder.text(path, limit: ForeignInstallation.longestFile) else { return nil }
        let file = try AcmeShellFile(text)
        guard let domain = try file.value("Le_Domain") else { throw ForeignFault("has no Le_Domain") }
        let others = try file.value("Le_Alt").map { $0 == none ? [] : $0.split(separator: ",").map(String.init) } ?? []
        var names: [Identifier] = []
        for text in [domain] + others {
            let name = try ForeignInstallation.identifier(text)
            if !names.contains(name) { names.append(name) }
        }
        var certificate = ForeignCertificate(source: "\(folder.path)/\(path)", name: CertificateName(names[0]), names: names)
        if let api = try file.value("Le_API") {
            if let directory = try? ACMEURL(api) {
                certificate.ca = .directory(directory)
            } else {
                certificate.decisions.append("The CA's directory in Le_API is no https URL: set ca.")
            }
        }
        if let length = try file.value("Le_Keylength"), length != none {
            let curves = ["ec-256": "P-256", "ec-384": "P-384"]
            certificate.addKeyType(curves[length] ?? "RSA-\(length)", called: "the length \(length)")
        }
        try addWays(&certificate, file, account, names: [domain] + others)
        if let chain = try file.decoded("Le_Preferred_Chain") { certificate.settings.append(.init("preferred-chain", .text(chain))) }
        if let profile = try file.value("Le_Certificate_Profile") { certificate.settings.append(.init("profile", .text(profile))) }
        if try file.value("Le_OCSP_Staple") == "1" { certificate.addMustStaple() }
        addHooks(&certificate, file, domain)
        return certificate
    }

    /// acme.sh's word for nothing, which is also that for a listener of its own.
    private static let none = "no"

    /// A hook is only a comment: one that cannot be read is said, and loses nothing.
    private static func addHooks(_ certificate: inout ForeignCertificate, _ file: AcmeShellFile, _ domain: String) {
        func read(_ key: String) -> String? {
            do throws(ForeignFault) { return try file.decoded(key) } catch {
                certificate.notes.append("Its \(key) is not read: \(error.reason).")
                return nil
            }
        }
        let keyPath = read("Le_RealKeyPath")
        let keyWords = ["CERT_KEY_PATH", "\(domain).key", keyPath ?? ""]
        for (key, kind) in [("Le_PreHook", "pre"), ("Le_PostHook", "post"), ("Le_RenewHook", "renew"), ("Le_ReloadCmd", "reload")] {
            if let command = read(key) { certificate.hooks.append(ForeignHook(kind, command, keyWords: keyWords)) }
        }
        if let names = read("Le_DeployHook"), names != none {
            certificate.notes.append(
                "acme.sh ran its deploy scripts \(names), which copy the private key: `acme-agent deploy` prints what a server needs now.")
        }
        if let path = keyPath {
            certificate.notes.append("acme.sh copied the private key to \(path); a server that reads it needs `acme-agent deploy`.")
        }
        let saved = file.names(withPrefix: "SAVED_")
        if !saved.isEmpty {
            certificate.notes.append("Its file has settings of deploy scripts, which are not copied: \(Wording.list(saved)).")
        }
    }

    /// One way for each name in its order, separated by commas; a name without one has that of the name before.
    private static func addWays(
        _ certificate: inout ForeignCertificate, _ file: AcmeShellFile, _ account: AcmeShellFile, names: [String]
    ) throws(ForeignFault) {
        let texts = (try file.value("Le_Webroot") ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        var groups: [(text: String, names: [Identifier])] = []
        for (index, name) in names.enumerated() {
            guard let name = try? Identifier(argument: name) else { continue }
            let text = texts.prefix(index + 1).last { !$0.isEmpty } ?? ""
            if let known = groups.firstIndex(where: { $0.text == text }) {
                if !groups[known].names.contains(name) { groups[known].names.append(name) }
            } else {
                groups.append((text, [name]))
            }
        }
        for (text, names) in groups { try addWay(text, names, &certificate, file, account) }
        if let alias = try file.value("Le_ChallengeAlias"), alias != none {
            certificate.notes.append(
                "acme.sh wrote its records below \(alias). With dns-update, CNAME records of _acme-challenge names are followed.")
        }
    }

    private static func addWay(
        _ text: String, _ names: [Identifier], _ certificate: inout ForeignCertificate, _ file: AcmeShellFile, _ account: AcmeShellFile
    ) throws(ForeignFault) {
        func add(_ settings: [ForeignCertificate.Setting], isDNS: Bool = false) {
            certificate.ways.append(.init(names: names, settings: settings, isDNS: isDNS))
        }
        func address(_ key: String, _ standard: UInt16) throws(ForeignFault) -> String {
            let port = try file.value(key).flatMap { UInt16($0) } ?? standard
            let host = try file.value("Le_LocalAddress").map { $0.contains(":") ? "[\($0)]" : $0 } ?? "*"
            return "\(host):\(port)"
        }
        let list = Wording.list(names)
        switch text {
        case none: add([.init("http01-address", .text(try address("Le_HTTPPort", ChallengeMethod.standardPort)))])
        case "alpn": add([.init("tls-alpn01-address", .text(try address("Le_TLSPort", ChallengeMethod.standardTLSPort)))])
        case "dns_persist":
            add([.init("dns-persist", .flag(true))], isDNS: true)
            certificate.decisions.append(
                "The records of dns-persist-01 name the account of acme.sh: replace them with those of `acme-agent persist` first.")
        case "dns":
            certificate.decisions.append("The DNS records of \(list) were set by hand: set dns-update, dns-hook or dns-persist.")
        case "dns_nsupdate":
            certificate.decisions.append(
                "account.conf names server and key file for updates in \(variables(account, "NSUPDATE")); copy the path of the key file "
                    + "to dns-key, and the server to dns-update.")
            add([.init("dns-update", .text("auto")), .init("dns-key", .text("/etc/acme-agent/update.key"))], isDNS: true)
        case _ where isScript(text):
            certificate.decisions.append(
                "Copy \(Deployment.sharedFolder)/acme-agent/dns-hooks/acme-sh to /etc/acme-agent/\(text), and set DNS_SCRIPT in it to "
                    + "acme.sh's dnsapi/\(text).sh. The credentials stay where they are, or move by hand: \(variables(account, ""))).")
            var settings = [ForeignCertificate.Setting("dns-hook", .text("/etc/acme-agent/\(text)"))]
            if let wait = try file.value("Le_DNSSleep").flatMap({ Int($0) }), wait > 0 {
                settings.append(.init("dns-wait-seconds", .number(min(wait, CertificateSettings.dnsWaitRange.upperBound))))
            }
            add(settings, isDNS: true)
        case _ where text.hasPrefix("/"):
            add([.init("webroot", .text(text))])
        case "":
            certificate.decisions.append("acme.sh does not say how \(list) was proven: set a way to answer challenges.")
        default:
            let what = text.split(separator: ":").first.map(String.init) ?? text
            certificate.decisions.append(
                "acme.sh's mode \(what) has no equivalent for \(list): set webroot to a folder that the server serves as "
                    + "/.well-known/acme-challenge/ over plain HTTP, or see \"Port 80\" and \"Port 443\" in operations.md.")
            add([.init("webroot", .text("/var/www/html"))])
        }
    }

    /// `dns_cf`: the name of one of acme.sh's scripts, and of nothing else.
    private static func isScript(_ text: String) -> Bool {
        text.hasPrefix("dns_") && text.utf8.allSatisfy { Base64URL.isLetter($0) && $0 != UInt8(ascii: "-") }
    }

    /// The names of saved variables, without their values.
    private static func variables(_ account: AcmeShellFile, _ part: String) -> String {
        if account.isUnread { return "account.conf could not be read" }
        let names = account.names(withPrefix: "SAVED_").filter { part.isEmpty || $0.contains(part) }
        return names.isEmpty ? "account.conf has none" : "account.conf has \(Wording.list(names, limit: 20))"
    }
}

/// Lines of `NAME='value'` as acme.sh writes them. A value that a shell would read as more than a quoted text is refused
/// when it is asked for; what may reach into the next line is refused as a whole.
struct AcmeShellFile {
    private var values: [String: Result<String, ForeignFault>] = [:]
    /// There is a file, but it could not be read.
    var isUnread = false

    init() {}

    init(_ text: String) throws(ForeignFault) {
        let export = Array("export ".utf8)
        for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            var bytes = Array(line.drop { $0 == 0x20 || $0 == 0x09 })[...]
            while let last = bytes.last, last == 0x20 || last == 0x09 || last == 0x0D { bytes = bytes.dropLast() }
            guard let first = bytes.first, first != UInt8(ascii: "#") else { continue }
            if bytes.starts(with: export) { bytes = bytes.dropFirst(export.count).drop { $0 == 0x20 || $0 == 0x09 } }
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { throw ForeignFault(line: index + 1, "not NAME='value'") }
            let name = bytes[..<equals]
            guard name.allSatisfy({ Base64URL.isLetter($0) && $0 != UInt8(ascii: "-") }), !name.isEmpty else {
                throw ForeignFault(line: index + 1, "not NAME='value'")
            }
            let value = Array(bytes[bytes.index(after: equals)...])
            guard AcmeShellFile.ends(value) else { throw ForeignFault(line: index + 1, "the quotes of a value have no end") }
            values[String(decoding: name, as: UTF8.self)] = AcmeShellFile.text(value, index + 1)
        }
    }

    /// Whether a value certainly ends with its line: no quotes, brackets or here-document are open.
    private static func ends(_ value: [UInt8]) -> Bool {
        // In single quotes nothing else counts.
        if value.first == 0x27, value.count >= 2, value.last == 0x27, value.count(where: { $0 == 0x27 }) == 2 { return true }
        func count(_ character: Unicode.Scalar) -> Int { value.count { $0 == UInt8(ascii: character) } }
        return value.last != UInt8(ascii: "\\") && ["'", "\"", "`"].allSatisfy { count($0).isMultiple(of: 2) }
            && !value.contains(Array("\\\"".utf8)) && count("(") == count(")") && count("{") == count("}")
            && !value.contains(Array("<<".utf8))
    }

    private static func text(_ bytes: [UInt8], _ line: Int) -> Result<String, ForeignFault> {
        let quote = bytes.first.flatMap { $0 == 0x22 || $0 == 0x27 ? $0 : nil }
        var content = bytes[...]
        if let quote {
            guard bytes.count >= 2, bytes.last == quote else {
                return .failure(ForeignFault(line: line, "a value that a shell would change"))
            }
            content = bytes.dropFirst().dropLast()
        }
        // In single quotes a shell reads everything as it is, elsewhere not.
        let special = quote == 0x27 ? "'" : quote == 0x22 ? "\"$`\\" : "'\"$`\\ \t;&|<>()*?[]{}~!#"
        guard !content.contains(where: { special.utf8.contains($0) }) else {
            return .failure(ForeignFault(line: line, "a value that a shell would change"))
        }
        return .success(String(decoding: content, as: UTF8.self))
    }

    /// `nil` if it is missing or empty.
    func value(_ name: String) throws(ForeignFault) -> String? {
        guard let text = try values[name]?.get(), !text.isEmpty else { return nil }
        return text
    }

    /// Sorted.
    func names(withPrefix prefix: String) -> [String] { values.keys.filter { $0.hasPrefix(prefix) }.sorted() }

    private static let start = "__ACME_BASE64__START_", end = "__ACME_BASE64__END_"

    /// A value that acme.sh may have wrapped in base64.
    func decoded(_ name: String) throws(ForeignFault) -> String? {
        guard let text = try value(name) else { return nil }
        guard text.hasPrefix(AcmeShellFile.start), text.hasSuffix(AcmeShellFile.end) else { return text }
        let letters = Array(text.dropFirst(AcmeShellFile.start.count).dropLast(AcmeShellFile.end.count).utf8)
        guard let bytes = Base64.decode(letters), let decoded = String(validating: bytes, as: UTF8.self) else {
            throw ForeignFault("the base64 of \(name) is damaged")
        }
        return decoded.isEmpty ? nil : decoded
    }
}
