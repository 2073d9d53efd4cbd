import ACME
import DurableFile

/// The resolvers of this machine (resolv.conf(5)).
public enum ResolverList {
    /// The C library reads no more (resolv.h, MAXNS).
    private static let most = 3
    private static let maximumSize = 65_536

    /// Without such a file or line, the C library asks this host itself.
    public static func system(_ path: String = "/etc/resolv.conf") -> [DNSServer] {
        let text = (try? DurableFile.read(path, limit: maximumSize)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let found = servers(in: text)
        guard found.isEmpty, let own = try? IPAddress(bytes: [127, 0, 0, 1]) else { return found }
        return [DNSServer(own)]
    }

    static func servers(in text: String) -> [DNSServer] {
        let addresses = text.split(whereSeparator: \.isNewline).compactMap { line -> IPAddress? in
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return try? IPAddress(String(words[1]))
        }
        return addresses.prefix(most).map { DNSServer($0) }
    }
}
