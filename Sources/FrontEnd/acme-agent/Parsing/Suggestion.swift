/// Suggests what was probably meant by an unknown word.
enum Suggestion {
    /// The nearest candidate that differs in at most a third of the word's letters.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        candidates.map { (name: $0, distance: distance(word, $0)) }
            .filter { $0.distance <= max(1, word.count / 3) }.min { $0.distance < $1.distance }?.name
    }

    /// The only option that begins with the word, or the nearest one.
    static func option(_ word: String, among options: [String]) -> String? {
        let name = word.prefix { $0 != "=" }
        guard name.hasPrefix("--") else { return nil }
        let longer = options.filter { $0.hasPrefix(name) }
        return longer.count == 1 ? longer.first : nearest(to: String(name), among: options)
    }

    /// The number of letters that are missing, superfluous, wrong or transposed.
    static func distance(_ first: String, _ second: String) -> Int {
        let a = Array(first), b = Array(second)
        var rows = [Array(0...b.count)]
        for i in 1...max(a.count, 1) where i <= a.count {
            var row = [i]
            for j in 1...max(b.count, 1) where j <= b.count {
                var least = min(row[j - 1] + 1, rows[i - 1][j] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { least = min(least, rows[i - 2][j - 2] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }

    /// Options of other ACME clients that no command here has, with the equivalents.
    static let valuesOfOthers: [String: String] = {
        let test = "use the CA's test directory; for Let's Encrypt: --directory https://acme-staging-v02.api.letsencrypt.org/directory"
        return [
            "--domains": "did you mean `--domain` (-d)? It may be repeated", "--dry-run": "there is no dry run of this command; \(test)",
            "--staging": test, "--test-cert": test, "--server": "did you mean `--directory URL`?",
            "--standalone": "a built-in listener on port 80 is the default; --http01-address names another address",
            "--alpn": "did you mean `--tls-alpn01-address *:443`?", "--tls": "did you mean `--tls-alpn01-address *:443`?",
            "--manual-auth-hook": "did you mean `--dns-hook PROGRAM --hook-protocol certbot`?",
            "--manual-cleanup-hook": "did you mean `--dns-cleanup-hook PROGRAM`?",
            "--webroot-path": "did you mean `--webroot FOLDER`?", "--post-hook": "did you mean `--deploy-hook PROGRAM`?",
            "--reloadcmd": "did you mean `--deploy-hook PROGRAM`?", "--keylength": "did you mean `--key-type TYPE`?",
            "--key-size": "did you mean `--key-type TYPE`?", "--force-renewal": "did you mean `acme-agent renew NAME --force`?",
        ]
    }()

    /// Options that another command has.
    static let elsewhere = [
        "--email": "an address belongs to the account: acme-agent account register --email ADDRESS",
        "--agree-tos": "terms belong to the account: acme-agent account register --agree-tos",
        "--all": "did you mean `acme-agent renew --all`?", "--out": "did you mean `acme-agent show NAME --out FILE`?",
    ]
}
