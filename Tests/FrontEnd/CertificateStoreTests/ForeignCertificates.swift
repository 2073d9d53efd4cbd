import SwiftASN1

/// Certificates of kinds that the tests' own CA does not make, made with OpenSSL; valid for twenty years from
/// 2026-11-27.
enum ForeignCertificates {
    /// DER of a PEM block.
    private static func der(_ pem: String) throws -> [UInt8] { try PEMDocument(pemString: pem).derBytes }

    /// A leaf for www.example.org and 192.0.2.1, signed with RSASSA-PSS by `issuer`.
    static var leafByPSS: [UInt8] { get throws { try der(leafByPSSPEM) } }
    /// The same, signed with PKCS #1 v1.5.
    static var leaf: [UInt8] { get throws { try der(leafPEM) } }
    /// Signed with RSASSA-PSS by `root`; its name as UTF8String: O = Example Org, CN = PSS Issuer.
    static var issuer: [UInt8] { get throws { try der(issuerPEM) } }
    /// The same key with its name as PrintableString: O = "Example  ORG", CN = "pss issuer".
    static var issuerInOtherLetters: [UInt8] { get throws { try der(issuerInOtherLettersPEM) } }
    /// Self-signed with RSASSA-PSS.
    static var root: [UInt8] { get throws { try der(rootPEM) } }
    /// A root with an Ed448 key, which the library does not support.
    static var ed448: [UInt8] { get throws { try der(ed448PEM) } }

    private static let leafByPSSPEM = """
        -----BEGIN CERTIFICATE-----
        MIICvTCCAXGgAwIBAgIUX2JMhsKtAKmlimwMS/GxfkE3dHgwQQYJKoZIhvcNAQEK
        MDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
        AKIDAgEgMCsxFDASBgNVBAoMC0V4YW1wbGUgT3JnMRMwEQYDVQQDDApQU1MgSXNz
        dWVyMB4XDTI2MTEyNzIxMjcwMFoXDTQ2MTEyMjIxMjcwMFowADBZMBMGByqGSM49
        AgEGCCqGSM49AwEHA0IABCejUGWSpWUGlErRAmseX/EQp5xXPT95B3qcRnS4BLG9
        wIEbxAK5FBO3b9ogwQYwXm+u7vtfTndDg+ExMMrehN6jZzBlMCMGA1UdEQEB/wQZ
        MBeCD3d3dy5leGFtcGxlLm9yZ4cEwAACATAfBgNVHSMEGDAWgBT85aSIat33PAeL
        LzmZ6qg/fgEsPTAdBgNVHQ4EFgQUXBTG9NNy0TPGBXq/hmHNVuF13dIwQQYJKoZI
        hvcNAQEKMDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgB
        ZQMEAgEFAKIDAgEgA4IBAQAvPXRKUXkGttr97rfa0tDbkcmyAXWf31sE8J5amMDw
        wDz4lKyIqTxTvPUZPPzf1OHeiATmN3lfAG1UGPyZZPFMoVZ6R4mu507ZUyyvKl9T
        hTslS+uKnWiLJTVUgBd2Fi7x0XLfFlNd3f5rQiTW5Jg++MuUdkAcwK7Af8i5y0i5
        9DbX8zLF0OnjdsYTTqoO/Uo/UYT3os5u/9pmVApRe+AE4KHamk0s9n7EFKHLl4pE
        Hm64md13lwrPkJ5cEbmBiH0LTqT5h3LXGnKg2CllW4aVlYeKBAd/wLgymIf8+SeE
        jFV0IW5mCN5/8G8eOJuKD6nIL0z90JwWUNaht+IuDO9X
        -----END CERTIFICATE-----
        """
    private static let leafPEM = """
        -----BEGIN CERTIFICATE-----
        MIICVTCCAT2gAwIBAgIUX2JMhsKtAKmlimwMS/GxfkE3dHkwDQYJKoZIhvcNAQEL
        BQAwKzEUMBIGA1UECgwLRXhhbXBsZSBPcmcxEzARBgNVBAMMClBTUyBJc3N1ZXIw
        HhcNMjYxMTI3MjEyNzAwWhcNNDYxMTIyMjEyNzAwWjAAMFkwEwYHKoZIzj0CAQYI
        KoZIzj0DAQcDQgAEJ6NQZZKlZQaUStECax5f8RCnnFc9P3kHepxGdLgEsb3AgRvE
        ArkUE7dv2iDBBjBeb67u+19Od0OD4TEwyt6E3qNnMGUwIwYDVR0RAQH/BBkwF4IP
        d3d3LmV4YW1wbGUub3JnhwTAAAIBMB8GA1UdIwQYMBaAFPzlpIhq3fc8B4svOZnq
        qD9+ASw9MB0GA1UdDgQWBBRcFMb003LRM8YFer+GYc1W4XXd0jANBgkqhkiG9w0B
        AQsFAAOCAQEAMjNxIQRvLXtn18mb3i31J7xhEarxE2Ln6Kfxjhvv8zVruAsWym3h
        AJBYvRkukOVs4jWIPkuBWzSyDoZ/6Jab6aqZL1zEYs2SkNDt5eYugCVL5tq4+xhR
        +ZSZP2kfI8qQyR/1UwWHRtITdcjpWeunZn5iu9pe2fnZOhz1bZ48ozY+wam3ELM4
        s+0NLFIL3ytxmrqegGaJSNf3hBYOb1TGlSzgQfEM1G8VyPtifEMg8mFxhCQa5vK8
        S0/IKM1NWcD65o9jURo+YqO9Ui6D1wqYwCxjIzrKJxzALQBa3nb+oCZNHHdl6HKP
        BXyhekiUFUvH7lIL0+IbQGWH1C1oGQAh+Q==
        -----END CERTIFICATE-----
        """
    private static let issuerPEM = """
        -----BEGIN CERTIFICATE-----
        MIIDnTCCAlGgAwIBAgIUQ0/wWB62/Od2Cyo9bfmPDd/1oakwQQYJKoZIhvcNAQEK
        MDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
        AKIDAgEgMCkxFDASBgNVBAoMC0V4YW1wbGUgT3JnMREwDwYDVQQDDAhQU1MgUm9v
        dDAeFw0yNjExMjcyMTI3MDBaFw00NjExMjIyMTI3MDBaMCsxFDASBgNVBAoMC0V4
        YW1wbGUgT3JnMRMwEQYDVQQDDApQU1MgSXNzdWVyMIIBIjANBgkqhkiG9w0BAQEF
        AAOCAQ8AMIIBCgKCAQEAuwx+C4ghbxS9yqKYCaaL7sJe2V9RP4zKS/SMgh1HEvTs
        KuCwW5iRgqXs+JTaJX0+pi0dQtgKGWEnXC4N9Usr4XycPXOzYdeJBtwQgU+3JMip
        8M3ffkVmm2r481LUcUi5iCbSV09YnRVxKqCpK7TkG9Z+Gq2SblFyqEJmgeYtAbBX
        cwAdnkLa/g6JWgef3IHIpABJbOdfXLGVhIvqssbRgZWwqrYfS+83QdvRGllSYehX
        xnIAsf1VCSwOAeFrzQG9eXxg561KChavgyTkrFQeKqFwEl2imL/o1xiqtpiaybiP
        6H+jC/bGHrO6swHJqdkyT1td72PmsXkQ1J3s/7OnBQIDAQABo1MwUTAPBgNVHRMB
        Af8EBTADAQH/MB0GA1UdDgQWBBT85aSIat33PAeLLzmZ6qg/fgEsPTAfBgNVHSME
        GDAWgBSifUDC5KEhM42Bcb9CL2emYATAlzBBBgkqhkiG9w0BAQowNKAPMA0GCWCG
        SAFlAwQCAQUAoRwwGgYJKoZIhvcNAQEIMA0GCWCGSAFlAwQCAQUAogMCASADggEB
        ACb6GNYqDwzLPphkMaP74MdKjNy9dlV6u7O0UPRO4CTyAjV2XVkACdXvCGC/QNz8
        TrR21uIk9l/eBl58tzFZDAzYsF2fMzY3XK6I/vcWMyW5L7VygQCGn3MzWbUanazQ
        emuo9GKTfyGa/ievdpm/HOgaDFKftgZKkp0C3Md4u2TOG2h5UxfyWkCLm5Ug3CzL
        wLwR8RWelM+wlEgGZINuFVJXP8XR79OvYr7m0O422ZyDfrh1RDQk6h4oZtnKVT5m
        AK4KMoz1MhmYPNoMlUTlUb3+k0sYl2WxI0M03swWNUQORwpr6aj6YX9/zPKAkuRt
        Bf2wm6lPcDIQdZcxbzP9xMo=
        -----END CERTIFICATE-----
        """
    private static let issuerInOtherLettersPEM = """
        -----BEGIN CERTIFICATE-----
        MIIDnjCCAlKgAwIBAgIUQ0/wWB62/Od2Cyo9bfmPDd/1oaowQQYJKoZIhvcNAQEK
        MDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
        AKIDAgEgMCkxFDASBgNVBAoMC0V4YW1wbGUgT3JnMREwDwYDVQQDDAhQU1MgUm9v
        dDAeFw0yNjExMjcyMTI3MDBaFw00NjExMjIyMTI3MDBaMCwxFTATBgNVBAoTDEV4
        YW1wbGUgIE9SRzETMBEGA1UEAxMKcHNzIGlzc3VlcjCCASIwDQYJKoZIhvcNAQEB
        BQADggEPADCCAQoCggEBALsMfguIIW8UvcqimAmmi+7CXtlfUT+Mykv0jIIdRxL0
        7CrgsFuYkYKl7PiU2iV9PqYtHULYChlhJ1wuDfVLK+F8nD1zs2HXiQbcEIFPtyTI
        qfDN335FZptq+PNS1HFIuYgm0ldPWJ0VcSqgqSu05BvWfhqtkm5RcqhCZoHmLQGw
        V3MAHZ5C2v4OiVoHn9yByKQASWznX1yxlYSL6rLG0YGVsKq2H0vvN0Hb0RpZUmHo
        V8ZyALH9VQksDgHha80BvXl8YOetSgoWr4Mk5KxUHiqhcBJdopi/6NcYqraYmsm4
        j+h/owv2xh6zurMByanZMk9bXe9j5rF5ENSd7P+zpwUCAwEAAaNTMFEwDwYDVR0T
        AQH/BAUwAwEB/zAdBgNVHQ4EFgQU/OWkiGrd9zwHiy85meqoP34BLD0wHwYDVR0j
        BBgwFoAUon1AwuShITONgXG/Qi9npmAEwJcwQQYJKoZIhvcNAQEKMDSgDzANBglg
        hkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEFAKIDAgEgA4IB
        AQCUiDm3ve+TpLrNC+dXGsvc5+3R0bd1DhFmmjPB8vSfJ+eV4+pFhXfsznK4qkGz
        /500Klrc7rVTxC92bCJzIOD8eGsa2yNrMV8YoXXLJkHeIic4TLPp45XgI3HyPwwa
        I6Wkd0gYBqCgLXtUeq1S9gSi7irHfz1xDzGikmLQEWGG/jd5WtaF+N2kjeq5zJIP
        xGHWO0X7OFXAHwK+RE1PAFbKsES0f/0RMCTAd3S1CVKt3NBF43oSXLr+pzMSOlyb
        uGJ8o53JKOgU96qZv9K9gVVR2WeHWZj9LGJP/GaJjn70uLYOGxa4fmnl2CPF3WTu
        X7ubjY0JA9Hd3bKWTMmTdm1l
        -----END CERTIFICATE-----
        """
    private static let rootPEM = """
        -----BEGIN CERTIFICATE-----
        MIIDejCCAi6gAwIBAgIUROpGTDA4MnR9Mu1gWJXRXP0n278wQQYJKoZIhvcNAQEK
        MDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
        AKIDAgEgMCkxFDASBgNVBAoMC0V4YW1wbGUgT3JnMREwDwYDVQQDDAhQU1MgUm9v
        dDAeFw0yNjExMjcyMTI3MDBaFw00NjExMjIyMTI3MDBaMCkxFDASBgNVBAoMC0V4
        YW1wbGUgT3JnMREwDwYDVQQDDAhQU1MgUm9vdDCCASIwDQYJKoZIhvcNAQEBBQAD
        ggEPADCCAQoCggEBAJThyvz0zYuXXwXRM2LR5sVm+lHtJWNIgEZaM5ebn3ojSfwx
        UAXPHKljamOjUAwQPve5WCMudtLuEt+Rp+draSG3Pob4OtZZjhL/lT+3BuDYtHiT
        s27GUip6gr1Ib7RNZRfjmE9KQoNLZq256ILqKX+feMM7b6CSCV79mXVz2J5Kojwj
        uhUcam1Qwhk7klGrGgVP/7PrysvOXXIrLCQEl3Jkcg2F1OA9+1VUUEp788HIy6IZ
        11gUswSKUT34mLM1UiJPAv385OKqte6LuhbMvisJwe9FrFYEpq6MZr67PXdSyZlv
        cLDTDKYGLqAxmKEFxurNjZfE4RIPZw9hfsWT3bECAwEAAaMyMDAwDwYDVR0TAQH/
        BAUwAwEB/zAdBgNVHQ4EFgQUon1AwuShITONgXG/Qi9npmAEwJcwQQYJKoZIhvcN
        AQEKMDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQME
        AgEFAKIDAgEgA4IBAQBZ7asw7c1/GFF3KwQ0Ij0xpKsdCW9R+B0XBOjlvtcF+kb/
        u7r0xaLnmp1w4SV6Jcby2eHqDlhBKCdaIwinKQJapXN8eMSD2nMmYKgcxffN+MB5
        SJKzN47srj9GJ5OsoB5Or3b6RnDi9mx4mmZ+k63324QEJJgcPecqMvtJFUzzypYw
        IQOwcIjr0EKqANzDPKlVOgX4VMAZprtkQfd4uZDPG9XGV+rdERQ2sOGEn4pPpz92
        FQMwQTJlmRI128hkp1lW6YQxlcMdzY7dtJUYAzyhdQshhlcliQRRkZxOuzEb7a95
        Nbwlgur50fhnvDn0P6Xd9pN5nos4hHLu093siHBY
        -----END CERTIFICATE-----
        """
    private static let ed448PEM = """
        -----BEGIN CERTIFICATE-----
        MIIBlTCCARWgAwIBAgIUBcbYZHC/8fZ5lKylm01wiqJhDK0wBQYDK2VxMCsxFDAS
        BgNVBAoMC0V4YW1wbGUgT3JnMRMwEQYDVQQDDApFZDQ0OCBSb290MB4XDTI2MTEy
        NzIxMjcwMFoXDTQ2MTEyMjIxMjcwMFowKzEUMBIGA1UECgwLRXhhbXBsZSBPcmcx
        EzARBgNVBAMMCkVkNDQ4IFJvb3QwQzAFBgMrZXEDOgB23D2Q3TyGeuEMEw8xJeNm
        /yImTZXx5wDSr1yZDYyvhG0PUbr165rnwnrXC8tWo61aQuAuXwFxrICjMjAwMA8G
        A1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFACNiGa5N11pPKJj5L5G5XvV6eZeMAUG
        AytlcQNzAAcDij3OOCAXOaTRvXdad2V4wPiPp2E6ycrBxzqo3B/2b9kmpNEcmWy9
        FLEqVXC1Oi/8/uL0NWWggHocBoHgEbH8mDPLh9Wo4fJoItARLiMd5y/6Cirnsh7b
        beVrtUfzRZF089zhBvBsmIHDRBIEvUshAA==
        -----END CERTIFICATE-----
        """
}
