"use strict";(self.rspackChunkjansky_lab=self.rspackChunkjansky_lab||[]).push([[700],{646(e,t,n){var o=n(601),r=n.n(o),a=n(314),i=(n.n(a))()(r());i.push([e.id,`/* The item in the status bar and what it opens, in the colours of the theme. */

.jp-Jansky-item {
  display: flex;
  align-items: center;
  gap: 6px;
  cursor: pointer;
}

button.jp-Jansky-item {
  font: inherit;
  color: inherit;
  background: none;
  border: none;
  padding: 0 4px;
  height: 100%;
}

button.jp-Jansky-item.jp-mod-clicked {
  color: var(--jp-ui-inverse-font-color1);
}

.jp-Jansky-dot {
  flex: none;
  width: 8px;
  height: 8px;
  border-radius: 50%;
  background: var(--jp-ui-font-color3);
}

.jp-Jansky-dot[data-state='ok'] {
  background: var(--jp-success-color1);
}

.jp-Jansky-dot[data-state='attention'] {
  background: var(--jp-warn-color1);
}

.jp-Jansky-dot[data-state='stopped'] {
  background: var(--jp-error-color1);
}

.jp-Jansky-popup {
  min-width: 300px;
  max-width: 420px;
  max-height: 60vh;
  overflow: auto;
  padding: 10px 14px 12px;
  font-size: var(--jp-ui-font-size1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  border: var(--jp-border-width) solid var(--jp-border-color1);
  border-radius: 4px;
  box-shadow: var(--jp-elevation-z6);
}

.jp-Jansky-popup:focus {
  outline: none;
}

.jp-Jansky-popup h2 {
  margin: 10px 0 4px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  color: var(--jp-ui-font-color2);
}

.jp-Jansky-popup h2:first-child {
  margin-top: 0;
}

.jp-Jansky-popup p {
  margin: 0 0 6px;
  line-height: 1.4;
}

.jp-Jansky-popup ul {
  list-style: none;
  margin: 0;
  padding: 0;
}

.jp-Jansky-popup li {
  display: flex;
  align-items: center;
  gap: 8px;
  min-height: 26px;
}

.jp-Jansky-name {
  flex: 1;
  overflow-wrap: anywhere;
}

.jp-Jansky-words {
  color: var(--jp-ui-font-color2);
  white-space: nowrap;
}

.jp-Jansky-popup button {
  font: inherit;
  padding: 2px 10px;
  cursor: pointer;
  color: var(--jp-ui-inverse-font-color1);
  background: var(--jp-brand-color1);
  border: none;
  border-radius: 3px;
}

.jp-Jansky-popup button:focus-visible,
button.jp-Jansky-item:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}
`,""]),n.d(t,{},{A:i})},314(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var n="",o=void 0!==t[5];return t[4]&&(n+="@supports (".concat(t[4],") {")),t[2]&&(n+="@media ".concat(t[2]," {")),o&&(n+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),n+=e(t),o&&(n+="}"),t[2]&&(n+="}"),t[4]&&(n+="}"),n}).join("")},t.i=function(e,n,o,r,a){"string"==typeof e&&(e=[[null,e,void 0]]);var i={};if(o)for(var p=0;p<this.length;p++){var s=this[p][0];null!=s&&(i[s]=!0)}for(var c=0;c<e.length;c++){var u=[].concat(e[c]);o&&i[u[0]]||(void 0!==a&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=a),n&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=n),r&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=r):u[4]="".concat(r)),t.push(u))}},t}},601(e){e.exports=function(e){return e[1]}},72(e){var t=[];function n(e){for(var n=-1,o=0;o<t.length;o++)if(t[o].identifier===e){n=o;break}return n}function o(e,o){for(var r={},a=[],i=0;i<e.length;i++){var p=e[i],s=o.base?p[0]+o.base:p[0],c=r[s]||0,u="".concat(s," ").concat(c);r[s]=c+1;var l=n(u),d={css:p[1],media:p[2],sourceMap:p[3],supports:p[4],layer:p[5]};if(-1!==l)t[l].references++,t[l].updater(d);else{var f=function(e,t){var n=t.domAPI(t);return n.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&n.update(e=t):n.remove()}}(d,o);o.byIndex=i,t.splice(i,0,{identifier:u,updater:f,references:1})}a.push(u)}return a}e.exports=function(e,r){var a=o(e=e||[],r=r||{});return function(e){e=e||[];for(var i=0;i<a.length;i++){var p=n(a[i]);t[p].references--}for(var s=o(e,r),c=0;c<a.length;c++){var u=n(a[c]);0===t[u].references&&(t[u].updater(),t.splice(u,1))}a=s}}},659(e){var t={};e.exports=function(e,n){var o=function(e){if(void 0===t[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}t[e]=n}return t[e]}(e);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(n)}},540(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},56(e,t,n){e.exports=function(e){var t=n.nc;t&&e.setAttribute("nonce",t)}},825(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(n){var o,r,a;o="",n.supports&&(o+="@supports (".concat(n.supports,") {")),n.media&&(o+="@media ".concat(n.media," {")),(r=void 0!==n.layer)&&(o+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),o+=n.css,r&&(o+="}"),n.media&&(o+="}"),n.supports&&(o+="}"),(a=n.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(o,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},113(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}},959(e,t,n){var o=n(72),r=n.n(o),a=n(825),i=n.n(a),p=n(659),s=n.n(p),c=n(56),u=n.n(c),l=n(540),d=n.n(l),f=n(113),v=n.n(f),h=n(646),m={};m.styleTagTransform=v(),m.setAttributes=u(),m.insert=s().bind(null,"head"),m.domAPI=i(),m.insertStyleElement=d(),r()(h.A,m),h.A&&h.A.locals&&h.A.locals}}]);