import JOSE
import TestSupport
import Testing

@testable import DNS

@Suite struct TSIGKeyFileTests {
    private static let secret = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBmb3IgVFNJRyBrZXlz"

    private func key(_ text: String, mode: Int = 0o600) throws -> TSIGKey {
        let folder = try TemporaryFolder()
        return try TSIGKeyFile.read(try folder.write("key.conf", text, mode: mode))
    }

    private func statement(_ algorithm: String, secret: String = secret) -> String {
        "key \"update.example.org\" {\n\talgorithm \(algorithm);\n\tsecret \"\(secret)\";\n};\n"
    }

    @Test(arguments: TSIGKey.Algorithm.allCases) func theFormOfTsigKeygenIsRead(algorithm: TSIGKey.Algorithm) throws {
        let key = try key(statement(algorithm.rawValue))
        #expect(try key.name == DomainName("update.example.org") && key.algorithm == algorithm)
    }

    @Test func commentsOrderAndSpaceMakeNoDifference() throws {
        let text = """
            # made by hand
            /* two
               lines */ key update. { // the name
              secret "\(Self.secret)" ; algorithm HMAC-SHA512 ;
            } ;
            """
        #expect(try key(text).algorithm == .hmacSHA512)
    }

    @Test(arguments: ["hmac-md5", "hmac-sha1", "hmac-sha224", "HMAC-MD5.SIG-ALG.REG.INT", "hmac-sha256-128"])
    func weakAlgorithmsAreRefused(algorithm: String) throws {
        #expect {
            try key(statement(algorithm))
        } throws: { error in
            let error = error as? TSIGKeyFileError
            return error?.description.contains("has a key for \(algorithm), which is not accepted") == true
                && error?.hint == "make a new one for both sides: tsig-keygen -a hmac-sha256 update.example.org"
        }
    }

    @Test(arguments: [
        "", "key", "key a {", "key a { algorithm hmac-sha256; };", "key a { secret \"AAAA\"; };", "options { };",
        "key a { algorithm hmac-sha256; secret \"AAAA\"; } key b", "key a { algorithm hmac-sha256; secret \"AAAA; };",
        "key a { algorithm hmac-sha256; algorithm hmac-sha256; secret \"AAAA\"; };", "/* key",
        "key a { algorithm hmac-sha256; secret \"not base64\"; };", "key a { algorithm hmac-sha256; secret \"\"; };",
        "key a..b { algorithm hmac-sha256; secret \"AAAA\"; };",
    ]) func otherTextIsRefused(text: String) { #expect(throws: TSIGKeyFileError.self) { try key(text) } }

    @Test func errorsAndDescriptionsDoNotHaveTheSecret() throws {
        #expect(try "\(key(statement("hmac-sha256")))" == "update.example.org (hmac-sha256)")
        #expect {
            try key(statement("hmac-md5"))
        } throws: { !"\($0)\(($0 as? TSIGKeyFileError)?.hint ?? "")".contains(Self.secret) }
    }

    @Test(arguments: [0o600, 0o400, 0o640, 0o440]) func theOwnersGroupMayReadIt(mode: Int) throws {
        _ = try key(statement("hmac-sha256"), mode: mode)
    }

    @Test(arguments: [0o644, 0o660, 0o602, 0o604]) func aFileThatOthersReadOrChangeIsRefused(mode: Int) throws {
        #expect {
            try key(statement("hmac-sha256"), mode: mode)
        } throws: { error in "\(error)".contains("can be read by users other") || "\(error)".contains("can be written by users other") }
    }

    @Test func thePairOfOlderToolsIsReadFromEitherFile() throws {
        let folder = try TemporaryFolder()
        let record = try folder.write("Kupdate.+163+12345.key", "update. IN KEY 512 3 163 \(Self.secret)\n")
        let secret = try folder.write(
            "Kupdate.+163+12345.private", "Private-key-format: v1.3\nAlgorithm: 163 (HMAC_SHA256)\nKey: \(Self.secret)\nBits: AAA=\n")
        for path in [record, secret] {
            let key = try TSIGKeyFile.read(path)
            #expect(try key.name == DomainName("update") && key.algorithm == .hmacSHA256)
        }
        try folder.write("Kupdate.+163+12345.private", "Private-key-format: v1.3\nAlgorithm: 157 (HMAC_MD5)\nKey: \(Self.secret)\n")
        #expect { try TSIGKeyFile.read(record) } throws: { "\($0)".contains("hmac-md5") }
    }
}
