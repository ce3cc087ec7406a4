"""Reserved environment variables, which change what code a function runs or whom it trusts. They cannot be declared.

The CEL rule of the CRD, the check of the model and the description of the field are generated from this list. Names are
compared case-insensitively, since proxy variables are read in both cases.
"""

import re

# Lambda, the extension, and the function's own settings.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_SERVICE = ("AWS_", "LAMBDA_", "DYNCONFIG_", "SSM_PARAMETER_STORE_", "PARAMETERS_SECRETS_EXTENSION_")
# CPython: https://docs.python.org/3/using/cmdline.html#environment-variables
# The dynamic linker and the C library: https://man7.org/linux/man-pages/man8/ld.so.8.html
# OpenSSL: https://docs.openssl.org/master/man7/openssl-env/ and curl: https://curl.se/docs/manpage.html
# .NET: https://learn.microsoft.com/dotnet/core/tools/dotnet-environment-variables and Bundler: https://bundler.io/man/bundle-config.1.html
_CODE = (
    "BUNDLE_",
    "COMPLUS_",
    "CORECLR_",
    "DOTNET_",
    "PYTHON",
    "LD_",
    "GLIBC_",
    "MALLOC_",
    "RESOLV_",
    "OPENSSL_",
    "OSSL_",
    "SSL_CERT_",
    "CURL_",
    "BASH_",
    "BOTO",
)
PREFIXES = (*_SERVICE, *_CODE)
SUFFIXES = ("_PROXY", "_CA_BUNDLE", "_CA_CERTS")
NAMES = (
    # Programs that Python starts by name (webbrowser, pydoc), and search paths of programs and files.
    *("BROWSER", "EDITOR", "HOME", "MANPAGER", "PAGER", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "VISUAL"),
    # Variables that glibc ignores in setuid programs, for the same reason.
    *(
        "GCONV_PATH",
        "GETCONF_DIR",
        "HOSTALIASES",
        "LOCALDOMAIN",
        "LOCPATH",
        "NIS_PATH",
        "NLSPATH",
        "RES_OPTIONS",
        "TZDIR",
    ),
    # Keys of TLS sessions, and settings of OpenSSL and of the extension's runtime.
    *("CTLOG_FILE", "GODEBUG", "QLOGDIR", "RANDFILE", "SSLKEYLOGFILE"),
    # Shells and other runtimes, which a layer may contain.
    *("ENV", "IFS", "PROMPT_COMMAND", "PS4", "SHELLOPTS"),
    *(
        "CLASSPATH",
        "GEM_HOME",
        "GEM_PATH",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NODE_REPL_EXTERNAL_MODULE",
        "NODE_TLS_REJECT_UNAUTHORIZED",
        "PERL5DB",
        "PERL5LIB",
        "PERL5OPT",
        "PHPRC",
        "PHP_INI_SCAN_DIR",
        "RUBYLIB",
        "RUBYOPT",
    ),
)
# Names that Lambda accepts; those with a leading underscore are its own.
# https://docs.aws.amazon.com/lambda/latest/api/API_Environment.html
LEGAL = r"^[a-zA-Z][a-zA-Z0-9_]+$"
RESERVED = f"(?i)^(({'|'.join(PREFIXES)}).*|.*({'|'.join(SUFFIXES)})|{'|'.join(NAMES)})$"
"""A pattern valid in both RE2 and Python."""

LISTED = ", ".join((*(f"{word}*" for word in PREFIXES), *(f"*{word}" for word in SUFFIXES), *sorted(NAMES)))
"""All reserved names, for descriptions and messages."""


def free(name: str) -> str:
    """Return the name if it may be declared. Raises ValueError."""
    if re.match(RESERVED, name):
        raise ValueError("is reserved, because it may change what code the function runs or whom it trusts; remove it")
    if not re.fullmatch(LEGAL, name):
        raise ValueError("is not a valid name: use at least two letters, digits and _, beginning with a letter")
    return name
