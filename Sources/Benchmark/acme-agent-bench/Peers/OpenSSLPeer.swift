import COpenSSL

/// libcrypto in this process: what the CPU can do without any token.
final class OpenSSLPeer {
    private let key: OpaquePointer

    init(curve: Int32) throws {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { throw BenchError("EVP_PKEY_CTX_new_id failed") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, curve) == 1,
            EVP_PKEY_generate(context, &key) == 1, let key
        else { throw BenchError("OpenSSL made no key") }
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    static var version: String { String(cString: OpenSSL_version(OPENSSL_VERSION)) }

    func load(threads: Int, seconds: Double) throws -> Outcome {
        try ThreadLoad.run(threads: threads, seconds: seconds) { _ in
            guard let context = EVP_PKEY_CTX_new(key, nil), EVP_PKEY_sign_init(context) == 1 else {
                throw BenchError("EVP_PKEY_sign_init failed")
            }
            let digest = (0..<32).map { UInt8($0) }
            var signature = [UInt8](repeating: 0, count: 256)
            // The context is never freed: a few hundred bytes for each measurement.
            return {
                var length = signature.count
                return EVP_PKEY_sign(context, &signature, &length, digest, digest.count) == 1
            }
        }
    }
}
